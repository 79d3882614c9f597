// loadgen puts a bounded load on one chat endpoint on this machine and prints one JSON
// line of figures. It reads answers of OpenAI's chats, and of Anthropic's Messages where
// the path ends with /messages.
//
//	loadgen -url http://127.0.0.1:8080/v1/chat/completions -model mock-n50 -c 32 -n 2000 -stream
//
// Times are in milliseconds. An answer counts as ok only if it is whole: status
// 200 and choices (content), and for a stream the reason of its end and its end mark as well. A gap is
// the time between two frames with content; frames are all lines of 'data:'.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load is what to ask, how often, and for how long at most.
type load struct {
	url, model, key    string
	clients, requests  int
	stream, distinct   bool
	messages, contents int
	limit              time.Duration
}

func parseFlags() load {
	var l load
	flag.StringVar(&l.url, "url", "http://127.0.0.1:8080/v1/chat/completions", "endpoint; loopback only")
	flag.StringVar(&l.model, "model", "mock", "name of the model")
	flag.StringVar(&l.key, "key", "", "bearer key")
	flag.IntVar(&l.clients, "c", 16, "concurrent clients")
	flag.IntVar(&l.requests, "n", 1000, "requests in all")
	flag.BoolVar(&l.stream, "stream", false, "ask for a stream")
	flag.BoolVar(&l.distinct, "distinct", false, "ask something else each time, also in the next run")
	flag.IntVar(&l.messages, "messages", 1, "messages of a request")
	flag.IntVar(&l.contents, "bytes", 20, "bytes of a message's content")
	flag.DurationVar(&l.limit, "limit", 60*time.Second, "stop after this long")
	flag.Parse()
	if !strings.HasPrefix(l.url, "http://127.0.0.1:") && !strings.HasPrefix(l.url, "http://localhost:") {
		fmt.Fprintln(os.Stderr, "loadgen: loopback only")
		os.Exit(2)
	}
	return l
}

func (l load) isMessages() bool {
	return strings.HasSuffix(l.url, "/messages")
}

// body is that of a request; with a number its last message begins with it.
func (l load) body(number int64) []byte {
	roles := []string{"user", "assistant"}
	messages := make([]map[string]string, l.messages)
	for i := range messages {
		// The last message is the user's, as in a conversation.
		role := roles[(l.messages-1-i)%2]
		messages[i] = map[string]string{"role": role, "content": strings.Repeat("h", l.contents)}
	}
	if number != 0 {
		last := messages[len(messages)-1]
		last["content"] = fmt.Sprintf("%d %s", number, last["content"])
	}
	fields := map[string]any{"model": l.model, "stream": l.stream, "messages": messages}
	if l.isMessages() {
		fields["max_tokens"] = 4096
	}
	body, _ := json.Marshal(fields)
	return body
}

// run asks with all clients at once until all requests are made or the time is over.
func (l load) run() *figures {
	client := &http.Client{
		Transport: &http.Transport{MaxIdleConns: l.clients, MaxIdleConnsPerHost: l.clients},
		Timeout:   l.limit,
	}
	body := l.body(0)
	results := newFigures()
	first := results.began.UnixNano()
	deadline := results.began.Add(l.limit)
	var issued atomic.Int64
	var group sync.WaitGroup
	for c := 0; c < l.clients; c++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for time.Now().Before(deadline) {
				number := issued.Add(1)
				if number > int64(l.requests) {
					return
				}
				if l.distinct {
					results.add(ask(client, l, l.body(first+number)))
				} else {
					results.add(ask(client, l, body))
				}
			}
		}()
	}
	group.Wait()
	return results
}

func main() {
	out, _ := json.Marshal(parseFlags().run().summary())
	fmt.Println(string(out))
}
