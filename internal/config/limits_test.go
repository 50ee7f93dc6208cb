package config

import (
	"strings"
	"testing"
)

func TestLimitsAndAudit(t *testing.T) {
	t.Parallel()
	c, err := Load(Sources{File: write(t, "limits: {perKey: {rate: 50, burst: 100}, perAddress: {rate: 0}}\naudit: {file: /var/log/audit.log, maxMegabytes: 1, keep: 0}\n")})
	if err != nil {
		t.Fatal(err)
	}
	if c.Limits.PerKey != (Rate{50, 100}) || c.Limits.PerAddress.Rate != 0 || c.Limits.Failures != defaultLimits().Failures || c.Audit != (Audit{"/var/log/audit.log", 1, 0}) {
		t.Errorf("%+v %+v", c.Limits, c.Audit)
	}
	for file, want := range map[string]string{
		"limits: {perKey: {rate: -1}}":                    "limits.perKey.rate -1",
		"limits: {failures: {rate: 1, burst: 0}}":         "limits.failures.burst 0",
		"audit: {maxMegabytes: -1}":                       "audit.maxMegabytes -1",
		"audit: {keep: -3}":                               "audit.keep -3",
		"limits: {perAddress: {rate: fast, burst: many}}": "limits.perAddress",
	} {
		if _, err := Load(Sources{File: write(t, file+"\n")}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
}
