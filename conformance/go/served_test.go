package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"
)

// served is the list of operations of the Admin API as the server itself describes them: the scope.
type served struct {
	operations []operation
}

type operation struct {
	id, method, path string
	parameters       []string
	pattern          *regexp.Regexp
	success          []string // statuses; none when it always refuses
	oldest           string   // date of its first version, where its answers say so
	literals         int
}

const atlas = "/api/atlas/v2"

func loadServed(t *testing.T, base string) *served {
	t.Helper()
	response, err := http.Get(base + "/api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Responses   map[string]struct {
				Content map[string]any `json:"content"`
			} `json:"responses"`
		} `json:"paths"`
	}
	if err := json.NewDecoder(response.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	s := &served{}
	for path, item := range document.Paths {
		if !strings.HasPrefix(path, atlas) {
			continue
		}
		for method, described := range item {
			one := operation{id: described.OperationID, method: strings.ToUpper(method), path: path}
			one.compile()
			for status, answer := range described.Responses {
				if !strings.HasPrefix(status, "2") {
					continue
				}
				one.success = append(one.success, status)
				for media := range answer.Content {
					if found := dateIn(media); one.oldest == "" || found < one.oldest {
						one.oldest = found
					}
				}
			}
			s.operations = append(s.operations, one)
		}
	}
	if len(s.operations) == 0 {
		t.Fatal("the server describes no operation")
	}
	return s
}

var braces = regexp.MustCompile(`\{([A-Za-z]+)\}`)

func (o *operation) compile() {
	for _, found := range braces.FindAllStringSubmatch(o.path, -1) {
		o.parameters = append(o.parameters, found[1])
	}
	parts := braces.Split(o.path, -1)
	for at, part := range parts {
		parts[at] = regexp.QuoteMeta(part)
		o.literals += len(part)
	}
	// No id holds a dot: `queryLogs.gz` is an operation beside them.
	pattern := parts[0]
	for at, name := range o.parameters {
		if strings.HasSuffix(name, "Id") {
			pattern += `([^/.]+)`
		} else {
			pattern += `([^/]+)`
		}
		pattern += parts[at+1]
	}
	o.pattern = regexp.MustCompile("^" + pattern + "/?$")
}

// find gives the operation of a request and the values in its path.
func (s *served) find(method, path string) (*operation, []string) {
	var best *operation
	var values []string
	for at := range s.operations {
		one := &s.operations[at]
		found := one.pattern.FindStringSubmatch(path)
		if one.method == method && found != nil && (best == nil || one.literals > best.literals) {
			best, values = one, found[1:]
		}
	}
	return best, values
}

func (s *served) byID(id string) *operation {
	for at := range s.operations {
		if s.operations[at].id == id {
			return &s.operations[at]
		}
	}
	return nil
}

// methods asks an SDK which of its typed operations send which requests: each is called once with marked
// parameters over a transport that only looks. So no list of names ties the releases together.
func (s *served) methods(t *testing.T, r release) map[string]method {
	t.Helper()
	look := &looker{}
	client, err := r.over("http://probe.invalid", &http.Client{Transport: look})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]method{}
	services := reflect.ValueOf(client).Elem()
	for at := range services.NumField() {
		name := services.Type().Field(at).Name
		if !strings.HasSuffix(name, "Api") {
			continue
		}
		service := services.Field(at)
		for nth := range service.NumMethod() {
			one := method{service: name, name: service.Type().Method(nth).Name, fieldOf: map[string]string{}}
			if !strings.HasSuffix(one.name, "WithParams") {
				continue
			}
			look.last = nil
			request, err := one.request(client, mark)
			if err != nil {
				t.Fatal(err)
			}
			request.MethodByName("Execute").Call(nil)
			if look.last == nil {
				continue
			}
			found, values := s.find(look.last.Method, look.last.URL.Path)
			if found == nil {
				continue
			}
			for nth, value := range values {
				one.fieldOf[found.parameters[nth]] = strings.TrimPrefix(value, "probe-")
			}
			one.version = dateIn(look.last.Header.Get("Accept"))
			if one.version != "" && one.version < found.oldest {
				continue // The release asks for a version that is not served.
			}
			// Preview variants stand beside the dated ones.
			if before, twice := known[found.id]; twice && before.version >= one.version {
				continue
			}
			known[found.id] = one
		}
	}
	return known
}

var date = regexp.MustCompile(`\d{4}-\d{2}-\d{2}`)

func dateIn(accept string) string { return date.FindString(accept) }

type looker struct{ last *http.Request }

func (l *looker) RoundTrip(request *http.Request) (*http.Response, error) {
	l.last = request
	return nil, fmt.Errorf("only looking")
}

// mark fills each parameter with something that the SDK accepts; texts carry the name of their field.
func mark(params reflect.Value) error {
	for at := range params.NumField() {
		field := params.Field(at)
		switch {
		case field.Kind() == reflect.String:
			field.SetString("probe-" + params.Type().Field(at).Name)
		case isBody(field.Type()):
			field.Set(reflect.New(field.Type().Elem()))
		}
	}
	return nil
}

// isBody tells the body among the parameters: a pointer to a struct or to a list of structs.
func isBody(kind reflect.Type) bool {
	if kind.Kind() != reflect.Pointer {
		return false
	}
	inner := kind.Elem()
	if inner.Kind() == reflect.Slice {
		inner = inner.Elem()
	}
	return inner.Kind() == reflect.Struct && inner != reflect.TypeOf(time.Time{})
}

func sorted(set map[string]bool) []string {
	var names []string
	for name := range set {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
