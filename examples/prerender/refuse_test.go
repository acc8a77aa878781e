package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

func TestATenantThatIsTooLongIsTheCallersMistake(t *testing.T) {
	var log strings.Builder
	r := &renderer{log: slog.New(slog.NewTextHandler(&log, nil))}
	request := httptest.NewRequest(http.MethodGet, "/html?url=http://127.0.0.1/", nil)
	request.Header.Set("X-Tenant", strings.Repeat("x", tenantBytes+1))
	answer := httptest.NewRecorder()
	r.serve(func() job { return &html{} })(answer, request)
	if answer.Code != http.StatusBadRequest ||
		!strings.Contains(answer.Body.String(), "X-Tenant has 1025 bytes: it may have 1024") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if log.Len() > 500 {
		t.Errorf("the log has all of it: %s", log.String())
	}
	request.Header.Set("X-Tenant", strings.Repeat("x", tenantBytes))
	if err := checkTenant(request); err != nil {
		t.Error(err)
	}
}

func TestOnlyWhatPassesIsToBeTriedAgain(t *testing.T) {
	r := &renderer{log: slog.New(slog.DiscardHandler)}
	for _, c := range []struct {
		err    error
		status int
		again  bool
	}{
		{pool.ErrBrowserUnavailable, http.StatusServiceUnavailable, true},
		{fmt.Errorf("%w: %w", pool.ErrBrowserUnavailable, chrome.ErrCannotStart),
			http.StatusInternalServerError, false},
		{pool.ErrQueueFull, http.StatusServiceUnavailable, true},
	} {
		answer := httptest.NewRecorder()
		r.refuse(answer, httptest.NewRequest(http.MethodGet, "/html", nil), &visit{}, time.Now(), c.err)
		if again := answer.Header().Get("Retry-After") != ""; answer.Code != c.status ||
			again != c.again {
			t.Errorf("%v: %d, Retry-After %v", c.err, answer.Code, again)
		}
	}
}
