package config

import (
	"fmt"
	"regexp"
	"strings"

	"crossfade/internal/notify/webhook"
)

// Notifications is who is told of deployments. The message of a trigger goes to the webhook whose topics name the trigger's topic exactly, else to the
// one with the longest pattern for it, else to SNS.
type Notifications struct {
	SNS      SNS       `koanf:"sns"`
	Webhooks []Webhook `koanf:"webhooks"`
}

// SNS is AWS's, or what answers Publish as that does.
type SNS struct {
	Enabled  bool   `koanf:"enabled"`
	Endpoint string `koanf:"endpoint"` // empty: AWS's own of the region
	Region   string `koanf:"region"`   // that requests are signed for; empty: the server's
	// AccessKeyID and SecretAccessKey sign the requests. Both empty: what the AWS SDK finds by itself.
	AccessKeyID     string `koanf:"accessKeyId"`
	SecretAccessKey string `koanf:"secretAccessKey"`
	// DoubleEncode puts nested objects of trigger messages into strings.
	DoubleEncode bool `koanf:"doubleEncode"`
}

// Webhook is an https URL that messages are posted to, signed as Standard Webhooks describes.
type Webhook struct {
	// Name tells it from the others in the log, in metrics, and, of one that follows state changes, what it has been sent from what it has not.
	Name string `koanf:"name"`
	URL  string `koanf:"url"` // plain http only to this machine
	// Secrets sign, each for itself: whsec_ and 24 to 64 random bytes in base64. Two, while the receiver goes over from one to the other.
	Secrets []string `koanf:"secrets"`
	// Topics are the ARNs of triggers' topics whose messages are posted there; one that ends in * stands for all that begin so.
	Topics []string `koanf:"topics"`
	// StateChanges posts every change of state, in the form of EventBridge, from the first start with this webhook on.
	StateChanges bool `koanf:"stateChanges"`
	// DoubleEncode puts nested objects of trigger messages into strings.
	DoubleEncode bool `koanf:"doubleEncode"`
}

var (
	webhookNameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)
	topicForm       = regexp.MustCompile(`^arn:[a-z-]+:sns:[a-z0-9-]*:[0-9]*:[A-Za-z0-9_-]*(\.fifo)?\*?$|^arn:[a-z-]*(:sns(:[a-z0-9-]*(:[0-9]*)?)?)?\*$`)
)

// replace empties the list that a later layer has: it replaces it whole.
func (n *Notifications) replace(has func(key string) bool) {
	if has("notifications.webhooks") {
		n.Webhooks = nil
	}
}

// check finds the first value that can't be.
func (n Notifications) check() *problem {
	switch {
	case n.SNS.Region != "" && !regionForm.MatchString(n.SNS.Region):
		return &problem{"notifications.sns.region", fmt.Sprintf("%q is no region", n.SNS.Region)}
	case (n.SNS.AccessKeyID == "") != (n.SNS.SecretAccessKey == ""):
		return &problem{"notifications.sns", "has one of accessKeyId and secretAccessKey: give both or neither"}
	case !n.SNS.Enabled && n.SNS != SNS{}:
		return &problem{"notifications.sns", "is described but not enabled: set notifications.sns.enabled, or remove the rest"}
	}
	if p := checkURL("notifications.sns.endpoint", n.SNS.Endpoint); p != nil {
		return p
	}
	names, topics := map[string]bool{}, map[string]string{}
	for i, w := range n.Webhooks {
		key := fmt.Sprintf("notifications.webhooks[%d]", i)
		if p := w.check(key); p != nil {
			return p
		}
		if names[w.Name] {
			return &problem{key + ".name", fmt.Sprintf("%q is the name of another webhook already", w.Name)}
		}
		names[w.Name] = true
		for j, topic := range w.Topics {
			at := fmt.Sprintf("%s.topics[%d]", key, j)
			if first, taken := topics[topic]; taken {
				return &problem{at, fmt.Sprintf("%q is named by %s already: a topic's messages go to one place", topic, first)}
			}
			topics[topic] = at
		}
	}
	return nil
}

func (w Webhook) check(key string) *problem {
	switch {
	case !webhookNameForm.MatchString(w.Name):
		return &problem{key + ".name", fmt.Sprintf("%q is no name: use up to 63 letters, digits, dots, hyphens and underscores", w.Name)}
	case len(w.Secrets) == 0:
		return &problem{key + ".secrets", "is empty: give a secret that signs, such as one made with: echo whsec_$(openssl rand -base64 32)"}
	case len(w.Topics) == 0 && !w.StateChanges:
		return &problem{key, "is told nothing: list topics, or set stateChanges"}
	}
	if _, err := webhook.CheckURL(w.URL); err != nil {
		return &problem{key + ".url", "can't be: " + err.Error()}
	}
	for i, secret := range w.Secrets {
		if _, err := webhook.Key(secret); err != nil {
			return &problem{fmt.Sprintf("%s.secrets[%d]", key, i), "can't be: " + err.Error()}
		}
	}
	for i, topic := range w.Topics {
		if !topicForm.MatchString(topic) {
			at := fmt.Sprintf("%s.topics[%d]", key, i)
			if strings.Contains(strings.TrimSuffix(topic, "*"), "*") {
				return &problem{at, fmt.Sprintf("%q has a * that is not at its end", topic)}
			}
			return &problem{at, fmt.Sprintf("%q is not the ARN of an SNS topic, such as arn:aws:sns:us-east-1:111122223333:deployments, nor the beginning of one with * behind", topic)}
		}
	}
	return nil
}
