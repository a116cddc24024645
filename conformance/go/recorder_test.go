package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// exchange is one request with its answer, as one line of the recording. What it was recorded for: a
// checker holds every answer against the public contract of the API.
type exchange struct {
	Program     string `json:"program"`
	Method      string `json:"method"`
	Path        string `json:"path"`
	Query       string `json:"query"`
	Accept      string `json:"accept"`
	Request     string `json:"request"`
	Status      int    `json:"status"`
	ContentType string `json:"contentType"`
	Body        string `json:"body"`             // text, when it is JSON
	Base64      string `json:"base64,omitempty"` // else
}

// recorder keeps the exchanges that pass through it and writes them to the folder PORTOLAN_RECORDINGS.
type recorder struct {
	program string
	inner   http.RoundTripper
	mu      sync.Mutex
	last    *exchange
	file    *os.File
}

func newRecorder(t *testing.T, program string, inner http.RoundTripper) *recorder {
	t.Helper()
	r := &recorder{program: program, inner: inner}
	if folder := os.Getenv("PORTOLAN_RECORDINGS"); folder != "" {
		name := strings.NewReplacer("/", "-", " ", "-").Replace(program) + ".jsonl"
		file, err := os.OpenFile(filepath.Join(folder, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		r.file = file
		t.Cleanup(func() { file.Close() })
	}
	return r
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	var sent []byte
	if request.Body != nil {
		var err error
		if sent, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
		request.Body = io.NopCloser(bytes.NewReader(sent))
	}
	response, err := r.inner.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	one := &exchange{
		Program: r.program, Method: request.Method, Path: request.URL.EscapedPath(), Query: request.URL.RawQuery,
		Accept: request.Header.Get("Accept"), Request: string(sent),
		Status: response.StatusCode, ContentType: response.Header.Get("Content-Type"),
	}
	if json.Valid(body) {
		one.Body = string(body)
	} else {
		one.Base64 = base64.StdEncoding.EncodeToString(body)
	}
	r.keep(one)
	return response, nil
}

func (r *recorder) keep(one *exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = one
	if r.file != nil {
		if line, err := json.Marshal(one); err == nil {
			r.file.Write(append(line, '\n'))
		}
	}
}

// forget makes the last answer an empty one.
func (r *recorder) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = &exchange{}
}

// errorCode is the code of the last answer, empty when it was none.
func (r *recorder) errorCode() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var body struct {
		ErrorCode string `json:"errorCode"`
	}
	if r.last == nil || json.Unmarshal([]byte(r.last.Body), &body) != nil {
		return ""
	}
	return body.ErrorCode
}
