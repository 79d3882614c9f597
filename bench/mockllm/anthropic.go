package main

import (
	"fmt"
	"net/http"
)

// anthropicMessages answers as Anthropic's Messages API does: each token is an event of its own.
func anthropicMessages(w http.ResponseWriter, r *http.Request, q request, s shape) {
	head := fmt.Sprintf(`{"id":"msg_mock","type":"message","role":"assistant","model":%q,"content":[`, q.Model)
	if q.Stream == nil || !*q.Stream {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `%s{"type":"text","text":%q}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":%d}}`, head, s.text(), s.tokens)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	first := event("message_start", fmt.Sprintf(`,"message":%s],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":1}}`, head)) +
		event("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`)
	last := event("content_block_stop", `,"index":0`) +
		event("message_delta", fmt.Sprintf(`,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":%d}`, s.tokens)) +
		event("message_stop", "")
	s.emit(w, r, func(i int) string {
		delta := event("content_block_delta", fmt.Sprintf(`,"index":0,"delta":{"type":"text_delta","text":%q}`, s.token(i)))
		if i == 0 {
			return first + delta
		}
		return delta
	}, last)
}

// event is one event with its name as Anthropic writes it: in its line, and in its data.
func event(name, fields string) string {
	return fmt.Sprintf("event: %s\ndata: {\"type\":%q%s}\n\n", name, name, fields)
}
