package lost_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossfade/internal/notify/lost"
	"crossfade/internal/store"
)

// deliveries has 250 in account 1, and can't be read for account 2.
type deliveries struct{}

func (deliveries) LostDeliveries(_ context.Context, account string, before int64, limit int) (out []store.LostDelivery, err error) {
	if account != "1" {
		return nil, errors.New("no")
	}
	if before == 0 {
		before = 251
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for id := before - 1; id > 0 && len(out) < limit; id-- {
		out = append(out, store.LostDelivery{
			ID: id, Account: "1", DeploymentID: "d-1", Trigger: "tell", Destination: "arn:x", Tries: 7, CreatedAt: at, LostAt: at.Add(time.Hour), Problem: "it is down",
		})
	}
	return out, nil
}

func get(t *testing.T, account, query string) *httptest.ResponseRecorder {
	t.Helper()
	h := lost.Handler{Deliveries: deliveries{}, Account: func(context.Context) string { return account }, Logger: slog.New(slog.DiscardHandler)}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/notifications/lost"+query, nil))
	return w
}

func TestPages(t *testing.T) {
	t.Parallel()
	var sizes []int
	query := ""
	for {
		var page struct {
			Lost   []map[string]any
			Before json.Number
		}
		if err := json.Unmarshal(get(t, "1", query).Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(page.Lost))
		if page.Before == "" {
			break
		}
		query = "?before=" + page.Before.String()
	}
	if len(sizes) != 3 || sizes[0] != 100 || sizes[2] != 50 {
		t.Errorf("the pages have %v", sizes)
	}
	if first := get(t, "1", "?before=2").Body.String(); first != `{"lost":[{"id":1,"trigger":"tell","topic":"arn:x","deploymentId":"d-1","tries":7,"createdAt":"2026-01-02T03:04:05.000000006Z","givenUpAt":"2026-01-02T04:04:05.000000006Z","problem":"it is down"}]}`+"\n" {
		t.Errorf("the page is %s", first)
	}
	if none := get(t, "1", "?before=1").Body.String(); none != `{"lost":[]}`+"\n" {
		t.Errorf("the empty page is %s", none)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		account, query string
		status         int
		says           string
	}{
		{"", "", 403, "Sign"}, {"2", "", 503, "come again"}, {"1", "?before=x", 400, "not the id"}, {"1", "?before=0", 400, "not the id"}, {"1", "?befor=1", 400, `no parameter "befor"`},
	} {
		if w := get(t, c.account, c.query); w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
	}
}
