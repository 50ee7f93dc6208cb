package notify

import (
	"fmt"
	"strings"
)

// Route is a sink under the name that the configuration, the log and the metrics know it by.
type Route struct {
	Name string
	Sink Sink
	// Topics are the ARNs of the topics whose messages go there. One that ends in * stands for all that begin so.
	Topics []string
	// DoubleEncode puts nested objects of trigger messages into strings, for receivers that expect every value to be one.
	DoubleEncode bool
}

// Routes says where messages for topics go.
type Routes struct {
	Mapped []Route
	// SNS takes what is not mapped; nil: nothing does.
	SNS *Route
}

// Find returns the route of a topic: the one that names it exactly, else the one with the longest pattern, the first of equals, else SNS. The
// error is permanent and says what to do.
func (r Routes) Find(topic string) (Route, error) {
	best, length := -1, -1
	for i, route := range r.Mapped {
		for _, t := range route.Topics {
			prefix, pattern := strings.CutSuffix(t, "*")
			switch {
			case t == topic:
				return route, nil
			case pattern && strings.HasPrefix(topic, prefix) && len(prefix) > length:
				best, length = i, len(prefix)
			}
		}
	}
	switch {
	case best >= 0:
		return r.Mapped[best], nil
	case r.SNS != nil:
		return *r.SNS, nil
	}
	return Route{}, Permanent(fmt.Errorf("no sink takes the topic %s: name it in the topics of one of notifications.webhooks, or enable notifications.sns", topic))
}
