package lb

import (
	"net/http"
	"strconv"
)

// refusal is an answer that the balancer gives itself, without or instead of a target's. It is an error so that parsers can return it;
// as a value it is made once per broken request, never on the hot path.
type refusal struct {
	status int
	text   string // one sentence for the client, without addresses
}

func (r *refusal) Error() string {
	return strconv.Itoa(r.status) + " " + http.StatusText(r.status) + ": " + r.text
}

func refuse(status int, text string) *refusal { return &refusal{status: status, text: text} }

func badRequest(text string) *refusal { return refuse(http.StatusBadRequest, text) }

// badAnswer is what a parser of a target's answer returns.
func badAnswer(text string) *refusal {
	return refuse(http.StatusBadGateway, "the target's answer is not valid HTTP/1.1: "+text)
}

// append writes the whole answer. The explanation is plain text, so that it is readable with curl and harmless in a browser.
func (r *refusal) append(out []byte, closing, headOnly bool) []byte {
	body := "crossfade load balancer: " + r.Error() + "\n"
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(r.status), 10)
	out = append(out, ' ')
	out = append(out, http.StatusText(r.status)...)
	out = append(out, "\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(body)), 10)
	if closing {
		out = append(out, "\r\nConnection: close"...)
	}
	out = append(out, "\r\n\r\n"...)
	if !headOnly {
		out = append(out, body...)
	}
	return out
}
