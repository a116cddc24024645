package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestEveryOperation calls, with each release of the SDK and each kind of credential, every operation that
// the server describes and the release has, typed, in the order of the scenario.
func TestEveryOperation(t *testing.T) {
	q := load(t)
	scope := loadServed(t, q.BaseURL)
	for _, r := range releases {
		methods := scope.methods(t, r)
		for _, kind := range r.kinds {
			t.Run(r.name+"/"+kind, func(t *testing.T) { everyOperation(t, q, scope, methods, r, kind) })
		}
	}
}

func everyOperation(t *testing.T, q quickstart, scope *served, methods map[string]method, r release, kind string) {
	run := &run{
		t: t, scope: scope, methods: methods, release: r, kind: kind, base: q.BaseURL,
		called: map[string]bool{}, failed: map[string]bool{}, unsupported: map[string]bool{},
		state: map[string]string{"unique": fmt.Sprintf("%s %s %d", r.name, kind, time.Now().UnixNano()%1_000_000_000)},
	}
	run.state["clusterName"] = fmt.Sprintf("c%d", time.Now().UnixNano()%1_000_000_000)
	run.state["slug"] = strings.ReplaceAll(run.state["unique"], " ", "-")
	start := credential{"digest", q.PublicKey, q.PrivateKey}
	run.state["owned"] = `"apiKey":{"desc":"owner","roles":["ORG_OWNER"]}`
	if kind == "oauth" {
		start = credential{"oauth", q.ClientID, q.ClientSecret}
		run.state["owned"] = `"serviceAccount":{"name":"owner","description":"owner","roles":["ORG_OWNER"],"secretExpiresAfterHours":8}`
	}
	run.connect(start)
	for _, one := range scenario {
		run.step(one)
		if one.op == "createOrg" && !one.elsewhere {
			run.connect(run.ownCredential())
		}
	}
	run.report()
}

// step is one call of the scenario. Texts in double braces stand for values of the state.
type step struct {
	op        string            // operation id
	body      string            // JSON
	older     map[string]string // bodies of other versions, or of releases that type them otherwise
	with      map[string]string // parameters that are not the state's values of the same name
	query     map[string]string // query parameters, by the name of their field
	save      map[string]string // value of the state <- pointer into the answer
	want      map[string]string // pointer into the answer -> its value
	until     map[string]string // the same, but it may take a while
	retry     []string          // error codes after which it is tried again for a while
	gone      string            // error code that is awaited instead of a success
	always    bool              // called untyped where a release has no such operation, because others need it
	elsewhere bool              // does not change who calls
	untyped   []string          // releases with credential whose types cannot say the body
	mistyped  []string          // releases whose type of the answer is not what the service answers
	optional  bool              // refusal with FEATURE_UNSUPPORTED is right too
}

type run struct {
	t        *testing.T
	scope    *served
	methods  map[string]method
	release  release
	kind     string
	base     string
	client   any
	http     *http.Client
	recorder *recorder
	state    map[string]string

	called, failed, unsupported map[string]bool
}

const patience = 90 * time.Second

func (r *run) connect(c credential) {
	r.t.Helper()
	client, web, err := r.release.connect(r.base, c)
	if err != nil {
		r.t.Fatal(err)
	}
	r.recorder = newRecorder(r.t, r.release.name+" "+r.kind, web.Transport)
	web.Transport = r.recorder
	r.client, r.http = client, web
}

func (r *run) ownCredential() credential {
	if r.kind == "oauth" {
		return credential{"oauth", r.state["ownClient"], r.state["ownSecret"]}
	}
	return credential{"digest", r.state["ownPublic"], r.state["ownPrivate"]}
}

func (r *run) step(one step) {
	described := r.scope.byID(one.op)
	if described == nil {
		return // Not served, so not in scope; the report says how many are.
	}
	m, typed := r.methods[one.op]
	if slices.Contains(one.untyped, r.release.name+" "+r.kind) {
		typed, one.always = false, true
	}
	if !typed && !one.always {
		return
	}
	deadline := time.Now().Add(patience)
	for {
		// A call that fails before it is sent must not be judged by the answer before it.
		r.recorder.forget()
		answer, err := r.call(one, described, m, typed)
		code := ""
		if err != nil {
			code = r.recorder.errorCode()
		}
		again, problem := r.judge(one, described, answer, err, code)
		if again && time.Now().Before(deadline) {
			time.Sleep(200 * time.Millisecond)
			continue
		}
		if typed {
			r.called[one.op] = true
		}
		if problem != "" {
			r.failed[one.op] = true
			r.t.Errorf("%s (%s): %s", one.op, m, problem)
		}
		return
	}
}

// judge says whether to try again, and what is wrong.
func (r *run) judge(one step, described *operation, answer any, err error, code string) (bool, string) {
	refuses := len(described.success) == 0
	switch {
	case one.gone != "":
		if code == one.gone {
			return false, ""
		}
		return true, fmt.Sprintf("answers %v, wanted %s", err, one.gone)
	case code == "FEATURE_UNSUPPORTED" && (refuses || one.optional):
		r.unsupported[one.op] = true
		return false, ""
	case err != nil && slices.Contains(one.mistyped, r.release.name) && r.recorder.last.Status/100 == 2:
		return false, ""
	case err != nil:
		return slices.Contains(one.retry, code), err.Error()
	case refuses:
		return false, "went through, although the description says that it always refuses"
	}
	status := strconv.Itoa(r.recorder.last.Status)
	if !slices.Contains(described.success, status) {
		return false, "answers " + status + ", which is not described"
	}
	for pointer, wanted := range one.until {
		if got := look(answer, pointer); got != r.fill(wanted) {
			return true, fmt.Sprintf("%s is %q, wanted %q", pointer, got, r.fill(wanted))
		}
	}
	for pointer, wanted := range one.want {
		if got := look(answer, pointer); got != r.fill(wanted) {
			return false, fmt.Sprintf("%s is %q, wanted %q", pointer, got, r.fill(wanted))
		}
	}
	for name, pointer := range one.save {
		r.state[name] = look(answer, pointer)
		if r.state[name] == "" && !strings.HasPrefix(name, "own") {
			return false, "the answer has no " + pointer
		}
	}
	return false, ""
}

// call makes one call and gives its answer as plain JSON values, through the types of the SDK.
func (r *run) call(one step, described *operation, m method, typed bool) (any, error) {
	if !typed {
		return r.untyped(one, described)
	}
	request, err := m.request(r.client, func(params reflect.Value) error { return r.parameters(one, m, params) })
	if err != nil {
		return nil, err
	}
	returned := request.MethodByName("Execute").Call(nil)
	if err, failed := returned[len(returned)-1].Interface().(error); failed {
		return nil, err
	}
	if len(returned) == 2 {
		// The release has no type for the answer: there is none, or one that is no object.
		var plain any
		if body := r.recorder.last.Body; body != "" {
			if err := json.Unmarshal([]byte(body), &plain); err != nil {
				return nil, err
			}
		}
		return plain, nil
	}
	value := returned[0].Interface()
	if stream, isStream := value.(io.Reader); isStream {
		return nil, gzipped(stream)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var plain any
	err = json.Unmarshal(text, &plain)
	return plain, err
}

func gzipped(stream io.Reader) error {
	head := make([]byte, 2)
	if _, err := io.ReadFull(stream, head); err != nil {
		return err
	}
	if !bytes.Equal(head, []byte{0x1f, 0x8b}) {
		return fmt.Errorf("no gzip: %x", head)
	}
	return nil
}

func (r *run) parameters(one step, m method, params reflect.Value) error {
	for parameter, name := range m.fieldOf {
		field := params.FieldByName(name)
		if !field.IsValid() || field.Kind() != reflect.String {
			return fmt.Errorf("no field for %s", parameter)
		}
		field.SetString(r.parameter(one, parameter))
	}
	for name, value := range one.query {
		field := params.FieldByName(name)
		if !field.IsValid() {
			return fmt.Errorf("no field %s", name)
		}
		if err := setQuery(field, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for at := range params.NumField() {
		field := params.Field(at)
		if !isBody(field.Type()) {
			continue
		}
		body := one.body
		for _, other := range []string{m.version, r.release.name} {
			if older, has := one.older[other]; has {
				body = older
			}
		}
		target := reflect.New(field.Type().Elem())
		decoder := json.NewDecoder(strings.NewReader(r.fill(body)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(target.Interface()); err != nil {
			return fmt.Errorf("the scenario's body does not fit %s: %w", field.Type(), err)
		}
		field.Set(target)
	}
	return nil
}

// setQuery fills a field of text or of a truth value, or a pointer to one.
func setQuery(field reflect.Value, value string) error {
	if field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	switch field.Kind() {
	case reflect.String:
		field.SetString(value)
	case reflect.Bool:
		field.SetBool(value == "true")
	default:
		return fmt.Errorf("a query parameter of type %s", field.Type())
	}
	return nil
}

func (r *run) parameter(one step, name string) string {
	if value, has := one.with[name]; has {
		return r.fill(value)
	}
	return r.state[name]
}

func (r *run) untyped(one step, described *operation) (any, error) {
	path := braces.ReplaceAllStringFunc(described.path, func(found string) string {
		return url.PathEscape(r.parameter(one, strings.Trim(found, "{}")))
	})
	request, err := http.NewRequest(described.method, r.base+path, strings.NewReader(r.fill(one.body)))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/vnd.atlas.2025-03-12+json")
	request.Header.Set("Content-Type", "application/json")
	response, err := r.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		return nil, fmt.Errorf("%d %s", response.StatusCode, text)
	}
	var plain any
	if len(text) > 0 {
		err = json.Unmarshal(text, &plain)
	}
	return plain, err
}

func (r *run) fill(text string) string {
	for name, value := range r.state {
		text = strings.ReplaceAll(text, "{{"+name+"}}", value)
	}
	return text
}

// look follows a JSON pointer; what is not there is empty.
func look(value any, pointer string) string {
	for _, part := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		if part == "" {
			continue
		}
		switch inner := value.(type) {
		case map[string]any:
			value = inner[part]
		case []any:
			at, err := strconv.Atoi(part)
			if err != nil || at >= len(inner) {
				return ""
			}
			value = inner[at]
		default:
			return ""
		}
	}
	switch found := value.(type) {
	case nil:
		return ""
	case string:
		return found
	default:
		text, _ := json.Marshal(found)
		return string(text)
	}
}

// report fails for operations in scope that nothing called, and leaves the counts behind.
func (r *run) report() {
	forgotten := map[string]bool{}
	for id := range r.methods {
		if !r.called[id] {
			forgotten[id] = true
		}
	}
	passed := 0
	for id := range r.called {
		if !r.failed[id] && !r.unsupported[id] {
			passed++
		}
	}
	counts := map[string]any{
		"release": r.release.name, "credential": r.kind, "inScope": len(r.methods), "served": len(r.scope.operations),
		"called": len(r.called), "passed": passed, "featureUnsupported": sorted(r.unsupported),
		"failed": sorted(r.failed), "notCalled": sorted(forgotten), "operations": sorted(r.called),
	}
	r.t.Logf("%s with %s: %d in scope of %d served; called %d, passed %d, FEATURE_UNSUPPORTED %d",
		r.release.name, r.kind, len(r.methods), len(r.scope.operations), len(r.called), passed, len(r.unsupported))
	if len(forgotten) > 0 {
		r.t.Errorf("in scope and called by no step of scenario_test.go: %v", sorted(forgotten))
	}
	if folder := os.Getenv("PORTOLAN_RECORDINGS"); folder != "" {
		text, _ := json.MarshalIndent(counts, "", "  ")
		name := filepath.Join(folder, "counts-"+r.release.name+"-"+r.kind+".json")
		if err := os.WriteFile(name, text, 0o600); err != nil {
			r.t.Error(err)
		}
	}
}
