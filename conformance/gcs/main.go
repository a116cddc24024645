// Command gcs serves fake-gcs-server to clients of Google Cloud Storage's XML API.
//
// fake-gcs-server keeps objects and decides about preconditions, but only in the JSON API; its XML API
// has neither plain uploads nor paged lists. The object_store crate speaks XML, as the real service
// does. So two kinds of requests are translated here, word by word; everything else passes through.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"log"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

type item struct {
	Name       string    `json:"name"`
	Size       string    `json:"size"`
	Etag       string    `json:"etag"`
	Generation string    `json:"generation"`
	Updated    time.Time `json:"updated"`
}

type listing struct {
	Items         []item   `json:"items"`
	Prefixes      []string `json:"prefixes"`
	NextPageToken string   `json:"nextPageToken"`
}

type contents struct {
	Key          string
	LastModified string
	ETag         string
	Size         string
}

type commonPrefix struct {
	Prefix string
}

type listBucketResult struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Contents              []contents
	CommonPrefixes        []commonPrefix
	NextContinuationToken string `xml:",omitempty"`
}

type translator struct {
	fake http.Handler
}

func (t translator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, object, inBucket := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	switch {
	case bucket == "storage" || bucket == "upload" || strings.HasPrefix(bucket, "_"):
		t.fake.ServeHTTP(w, r)
	case r.Method == http.MethodPut && inBucket && r.URL.RawQuery == "":
		t.upload(w, r, bucket, object)
	case r.Method == http.MethodGet && object == "" && r.URL.Query().Get("list-type") == "2":
		t.list(w, r, bucket)
	default:
		t.fake.ServeHTTP(w, r)
	}
}

// ask sends one request to the fake and gives its answer.
func (t translator) ask(method, path string, query url.Values, body io.Reader, kind string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path+"?"+query.Encode(), body)
	request.Header.Set("Content-Type", kind)
	answer := httptest.NewRecorder()
	t.fake.ServeHTTP(answer, request)
	return answer
}

// upload is "Put object": the precondition comes as a header, the generation goes as one.
func (t translator) upload(w http.ResponseWriter, r *http.Request, bucket, object string) {
	name, err := url.PathUnescape(object)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// Of the fake's uploads only those in parts obey preconditions.
	query := url.Values{"uploadType": {"multipart"}}
	if generation := r.Header.Get("x-goog-if-generation-match"); generation != "" {
		query.Set("ifGenerationMatch", generation)
	}
	body, kind, err := related(name, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := t.ask(http.MethodPost, "/upload/storage/v1/b/"+bucket+"/o", query, body, kind)
	var made item
	if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &made) != nil {
		http.Error(w, answer.Body.String(), answer.Code)
		return
	}
	w.Header().Set("ETag", quoted(made.Etag))
	w.Header().Set("x-goog-generation", made.Generation)
}

// related is an upload in two parts: what the object is, and its bytes.
func related(name string, content io.Reader) (io.Reader, string, error) {
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	about, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/json"}})
	if err != nil {
		return nil, "", err
	}
	if err := json.NewEncoder(about).Encode(map[string]string{"name": name}); err != nil {
		return nil, "", err
	}
	data, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/octet-stream"}})
	if err != nil {
		return nil, "", err
	}
	if _, err := io.Copy(data, content); err != nil {
		return nil, "", err
	}
	return &body, "multipart/related; boundary=" + parts.Boundary(), parts.Close()
}

// list is "List objects" of version 2.
func (t translator) list(w http.ResponseWriter, r *http.Request, bucket string) {
	asked := r.URL.Query()
	query := url.Values{}
	for xmlName, jsonName := range map[string]string{
		"prefix": "prefix", "delimiter": "delimiter", "start-after": "startOffset",
		"max-keys": "maxResults", "continuation-token": "pageToken",
	} {
		if value := asked.Get(xmlName); value != "" {
			query.Set(jsonName, value)
		}
	}
	answer := t.ask(http.MethodGet, "/storage/v1/b/"+bucket+"/o", query, nil, "")
	var found listing
	if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &found) != nil {
		http.Error(w, answer.Body.String(), answer.Code)
		return
	}
	result := listBucketResult{NextContinuationToken: found.NextPageToken}
	for _, object := range found.Items {
		// "startOffset" is inclusive, "start-after" is not.
		if object.Name != asked.Get("start-after") {
			result.Contents = append(result.Contents, contents{
				Key: object.Name, Size: object.Size, ETag: quoted(object.Etag),
				LastModified: object.Updated.UTC().Format(time.RFC3339Nano),
			})
		}
	}
	for _, prefix := range found.Prefixes {
		result.CommonPrefixes = append(result.CommonPrefixes, commonPrefix{prefix})
	}
	w.Header().Set("Content-Type", "application/xml")
	if err := xml.NewEncoder(w).Encode(result); err != nil {
		log.Print(err)
	}
}

func quoted(tag string) string {
	return `"` + strings.Trim(tag, `"`) + `"`
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		NoListener: true, Scheme: "http", PublicHost: *listen, Writer: io.Discard,
	})
	if err != nil {
		log.Fatal(err)
	}
	end, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	front := &http.Server{Addr: *listen, Handler: translator{server.HTTPHandler()}}
	go func() {
		<-end.Done()
		front.Close()
	}()
	if err := front.ListenAndServe(); err != nil && end.Err() == nil {
		log.Fatal(err)
	}
}
