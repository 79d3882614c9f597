package main

import (
	"fmt"
	"net/http"
	"strings"
)

// geminiContent answers as Gemini's generateContent does: model and streaming are in the path.
func geminiContent(w http.ResponseWriter, r *http.Request) {
	model, operation, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1beta/models/"), ":")
	s := shapeOf(model)
	part := func(text, end string, tokens int) string {
		return fmt.Sprintf(`{"candidates":[{"content":{"parts":[{"text":%q}],"role":"model"},%s"index":0}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":%d,"totalTokenCount":%d},"modelVersion":%q,"responseId":"mock"}`, text, end, tokens, 7+tokens, model)
	}
	const stop = `"finishReason":"STOP",`
	if operation != "streamGenerateContent" {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		fmt.Fprint(w, part(s.text(), stop, s.tokens))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	s.emit(w, r, func(i int) string {
		return "data: " + part(s.token(i), "", i+1) + "\r\n\r\n"
	}, "data: "+part("", stop, s.tokens)+"\r\n\r\n")
}
