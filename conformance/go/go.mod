module portolan/conformance

go 1.24.0

require (
	go.mongodb.org/atlas-sdk/v20240530005 v20240530005.0.0
	go.mongodb.org/atlas-sdk/v20250312001 v20250312001.1.0
	go.mongodb.org/atlas-sdk/v20250312010 v20250312010.0.0
)

require (
	github.com/mongodb-forks/digest v1.1.0 // indirect
	golang.org/x/oauth2 v0.32.0 // indirect
)
