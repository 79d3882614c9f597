package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"
)

var data = []byte("data:")

// format is by what an answer of an API is known to be whole, and its tokens to be tokens.
type format struct {
	whole, done        []byte
	contents, finished [][]byte
}

var chats = format{
	whole:    []byte(`"choices"`),
	done:     []byte("[DONE]"),
	contents: [][]byte{[]byte(`"content":"t`), []byte(`"content": "t`)},
	finished: [][]byte{[]byte(`"finish_reason":"`), []byte(`"finish_reason": "`)},
}

var messages = format{
	whole:    []byte(`"content"`),
	done:     []byte(`"message_stop"`),
	contents: [][]byte{[]byte(`"text":"t`)},
	finished: [][]byte{[]byte(`"stop_reason":"`)},
}

// answer is what came of one request; failure is empty when the answer was whole.
type answer struct {
	failure      string
	first, whole time.Duration
	frames       int
	gaps         []time.Duration
}

func ask(client *http.Client, l load, body []byte) answer {
	start := time.Now()
	request, err := http.NewRequest(http.MethodPost, l.url, bytes.NewReader(body))
	if err != nil {
		return answer{failure: "url"}
	}
	request.Header.Set("Content-Type", "application/json")
	if l.key != "" {
		request.Header.Set("Authorization", "Bearer "+l.key)
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{failure: "connect"}
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 300))
		return answer{failure: fmt.Sprintf("status %d: %s", response.StatusCode, text)}
	}
	api := chats
	if l.isMessages() {
		api = messages
	}
	if l.stream {
		return api.readStream(response.Body, start)
	}
	return api.readWhole(response.Body, start)
}

func (f format) readWhole(body io.Reader, start time.Time) answer {
	text, err := io.ReadAll(body)
	if err != nil || !bytes.Contains(text, f.whole) {
		return answer{failure: "body"}
	}
	elapsed := time.Since(start)
	return answer{first: elapsed, whole: elapsed}
}

func (f format) readStream(body io.Reader, start time.Time) answer {
	var a answer
	var last time.Time
	finished, ended := false, false
	reader := bufio.NewReaderSize(body, 65536)
	for {
		line, err := reader.ReadBytes('\n')
		if bytes.HasPrefix(line, data) {
			now := time.Now()
			a.frames++
			if containsAny(line, f.contents) {
				if last.IsZero() {
					a.first = now.Sub(start)
				} else {
					a.gaps = append(a.gaps, now.Sub(last))
				}
				last = now
			}
			finished = finished || containsAny(line, f.finished)
			ended = ended || bytes.Contains(line, f.done)
		}
		if err != nil {
			break
		}
	}
	if !finished || !ended {
		a.failure = "cut stream"
	}
	a.whole = time.Since(start)
	return a
}

func containsAny(line []byte, parts [][]byte) bool {
	for _, part := range parts {
		if bytes.Contains(line, part) {
			return true
		}
	}
	return false
}
