// mockllm is an upstream that answers at once: an OpenAI, an Ollama, an Anthropic and a
// Gemini server in one process, fast enough not to be what a benchmark of a gateway measures.
//
// The shape of an answer is in the model's name, so a client needs no setup:
//
//	mock            one short answer of 8 tokens
//	mock-n100       100 tokens
//	mock-n100-d5    100 tokens, 5 ms before each
//	mock-n100-b4096 100 tokens of 4096 bytes each
//
// OpenAI: POST /v1/chat/completions, GET /v1/models.
// Ollama: POST /api/chat, /api/show, GET /api/tags, /api/version.
// Anthropic: POST /v1/messages.
// Gemini: POST /v1beta/models/MODEL:generateContent and :streamGenerateContent.
// Under /down/ everything is answered with 503.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// shape is what the name of a model asks for.
type shape struct {
	tokens int
	delay  time.Duration
	bytes  int
}

// request is the part of a chat request, of either API, that shapes the answer.
type request struct {
	Model         string `json:"model"`
	Stream        *bool  `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

func shapeOf(model string) shape {
	s := shape{tokens: 8, bytes: 5}
	for _, part := range strings.Split(model, "-")[1:] {
		if len(part) < 2 {
			continue
		}
		n, err := strconv.Atoi(part[1:])
		if err != nil {
			continue
		}
		switch part[0] {
		case 'n':
			s.tokens = n
		case 'd':
			s.delay = time.Duration(n) * time.Millisecond
		case 'b':
			s.bytes = n
		}
	}
	return s
}

func (s shape) token(i int) string {
	word := fmt.Sprintf("t%d ", i)
	return word + strings.Repeat("x", max(0, s.bytes-len(word)))
}

// text is a whole answer, after the time that all its tokens would have taken.
func (s shape) text() string {
	time.Sleep(s.delay * time.Duration(s.tokens))
	var text strings.Builder
	for i := 0; i < s.tokens; i++ {
		text.WriteString(s.token(i))
	}
	return text.String()
}

// emit writes one token after the other, each on its own, and stops as soon as the client goes.
func (s shape) emit(w http.ResponseWriter, r *http.Request, line func(i int) string, last string) {
	flush := w.(http.Flusher).Flush
	for i := 0; i < s.tokens; i++ {
		if s.delay > 0 {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(s.delay):
			}
		}
		if _, err := w.Write([]byte(line(i))); err != nil {
			return
		}
		flush()
	}
	fmt.Fprint(w, last)
}

// chat reads a request and answers it in the shape that its model's name asks for.
func chat(answer func(http.ResponseWriter, *http.Request, request, shape)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q request
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, `{"error":{"message":"not JSON","type":"invalid_request_error"}}`, http.StatusBadRequest)
			return
		}
		answer(w, r, q, shapeOf(q.Model))
	}
}

func openaiChat(w http.ResponseWriter, r *http.Request, q request, s shape) {
	usage := fmt.Sprintf(`"usage":{"prompt_tokens":7,"completion_tokens":%d,"total_tokens":%d}`, s.tokens, 7+s.tokens)
	if q.Stream == nil || !*q.Stream {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"chatcmpl-mock","object":"chat.completion","created":1700000000,"model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":%q},"logprobs":null,"finish_reason":"stop"}],%s}`, q.Model, s.text(), usage)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	head := fmt.Sprintf(`data: {"id":"chatcmpl-mock","object":"chat.completion.chunk","created":1700000000,"model":%q,"choices":[`, q.Model)
	last := head + `{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	if q.StreamOptions.IncludeUsage {
		last += head + "]," + usage + "}\n\n"
	}
	s.emit(w, r, func(i int) string {
		role := ""
		if i == 0 {
			role = `"role":"assistant",`
		}
		return head + fmt.Sprintf(`{"index":0,"delta":{%s"content":%q},"finish_reason":null}]}`, role, s.token(i)) + "\n\n"
	}, last+"data: [DONE]\n\n")
}

func ollamaChat(w http.ResponseWriter, r *http.Request, q request, s shape) {
	head := fmt.Sprintf(`{"model":%q,"created_at":"2026-01-01T00:00:00.000000Z","message":{"role":"assistant","content":`, q.Model)
	tail := fmt.Sprintf(`},"done":true,"done_reason":"stop","total_duration":1000000,"load_duration":1000,"prompt_eval_count":7,"prompt_eval_duration":1000,"eval_count":%d,"eval_duration":1000}`, s.tokens) + "\n"
	if q.Stream != nil && !*q.Stream {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprintf(w, "%s%q%s", head, s.text(), tail)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	s.emit(w, r, func(i int) string {
		return head + fmt.Sprintf(`%q},"done":false}`, s.token(i)) + "\n"
	}, head+`""`+tail)
}

// fixed answers every request with the same JSON.
func fixed(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprint(w, body)
	}
}

func main() {
	addr := flag.String("addr", "127.0.0.1:9900", "address to listen on")
	flag.Parse()
	http.HandleFunc("/v1/chat/completions", chat(openaiChat))
	http.HandleFunc("/v1/models", fixed(`{"object":"list","data":[{"id":"mock","object":"model","created":1700000000,"owned_by":"mock"}]}`))
	http.HandleFunc("/v1/messages", chat(anthropicMessages))
	http.HandleFunc("/v1beta/models/", geminiContent)
	http.HandleFunc("/api/chat", chat(ollamaChat))
	http.HandleFunc("/api/tags", fixed(`{"models":[{"name":"mock:latest","model":"mock:latest","modified_at":"2026-01-01T00:00:00Z","size":1,"digest":"0","details":{"family":"mock"}}]}`))
	http.HandleFunc("/api/show", fixed(`{"details":{"family":"mock"},"model_info":{"general.architecture":"mock","mock.context_length":1048576},"capabilities":["completion","tools","thinking","vision"]}`))
	http.HandleFunc("/api/version", fixed(`{"version":"0.25.0"}`))
	http.HandleFunc("/down/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, `{"error":"overloaded"}`, http.StatusServiceUnavailable)
	})
	log.Fatal(http.ListenAndServe(*addr, nil))
}
