package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"crossfade/internal/deploy"

	"github.com/google/uuid"
)

// Words puts notices into the documents that others get.
type Words struct {
	Region string
	// Server tells the ids of this server's messages from those of another. It must stay the same as long as the log of notices lives.
	Server uuid.UUID
}

// id names a message of the server for ever.
func (w Words) id(kind string, number int64) uuid.UUID {
	return uuid.NewSHA1(w.Server, []byte(kind+"/"+strconv.FormatInt(number, 10)))
}

// encode writes a document as people would, without escapes for HTML.
func encode(document any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(document); err != nil {
		panic(fmt.Sprintf("notify: encode %T: %v", document, err)) // strings and structs of them always can be
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// seconds is a time as triggers tell it: seconds since 1970 with three decimals. The zero time is empty.
func seconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	ms := t.UnixMilli()
	return fmt.Sprintf("%d.%03d", ms/1000, ms%1000)
}

// subject is the line that a person reads first.
func (w Words) subject(status string, n deploy.Notice) string {
	return fmt.Sprintf("%s: AWS CodeDeploy %s in %s to %s", strings.ToUpper(status), n.DeploymentID, w.Region, n.Application)
}
