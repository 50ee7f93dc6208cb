package api

import (
	"fmt"
	"time"

	"crossfade/internal/deploy"
)

const (
	builtInPrefix   = "CodeDeployDefault."
	oneAtATime      = builtInPrefix + "OneAtATime"
	lambdaAllAtOnce = builtInPrefix + "LambdaAllAtOnce"
	ecsAllAtOnce    = builtInPrefix + "ECSAllAtOnce"
)

// builtInConfigs returns the 17 configs that every account has. Their ids are numbered in this order; their time of creation is the date of
// the API version, since they came with it.
func builtInConfigs() []deploy.Config {
	healthy := func(kind string, n int) deploy.Config {
		return deploy.Config{Platform: deploy.PlatformServer, MinimumHealthy: &deploy.HealthyHosts{Type: kind, Value: n}}
	}
	routed := func(platform, kind string, percentage, minutes int) deploy.Config {
		return deploy.Config{Platform: platform, Routing: &deploy.TrafficRouting{Type: kind, Percentage: percentage, IntervalMinutes: minutes}}
	}
	ecs, lambda := deploy.PlatformECS, deploy.PlatformLambda
	table := []struct {
		name string
		deploy.Config
	}{
		{"OneAtATime", healthy(deploy.MostConcurrency, 1)},
		{"HalfAtATime", healthy(deploy.FleetPercent, 50)},
		{"AllAtOnce", healthy(deploy.FleetPercent, 0)},
		{"ECSLinear10PercentEvery1Minutes", routed(ecs, deploy.RoutingLinear, 10, 1)},
		{"ECSLinear10PercentEvery3Minutes", routed(ecs, deploy.RoutingLinear, 10, 3)},
		{"ECSCanary10Percent5Minutes", routed(ecs, deploy.RoutingCanary, 10, 5)},
		{"ECSCanary10Percent15Minutes", routed(ecs, deploy.RoutingCanary, 10, 15)},
		{"ECSAllAtOnce", routed(ecs, deploy.RoutingAllAtOnce, 0, 0)},
		{"LambdaCanary10Percent5Minutes", routed(lambda, deploy.RoutingCanary, 10, 5)},
		{"LambdaCanary10Percent10Minutes", routed(lambda, deploy.RoutingCanary, 10, 10)},
		{"LambdaCanary10Percent15Minutes", routed(lambda, deploy.RoutingCanary, 10, 15)},
		{"LambdaCanary10Percent30Minutes", routed(lambda, deploy.RoutingCanary, 10, 30)},
		{"LambdaLinear10PercentEvery1Minute", routed(lambda, deploy.RoutingLinear, 10, 1)},
		{"LambdaLinear10PercentEvery2Minutes", routed(lambda, deploy.RoutingLinear, 10, 2)},
		{"LambdaLinear10PercentEvery3Minutes", routed(lambda, deploy.RoutingLinear, 10, 3)},
		{"LambdaLinear10PercentEvery10Minutes", routed(lambda, deploy.RoutingLinear, 10, 10)},
		{"LambdaAllAtOnce", routed(lambda, deploy.RoutingAllAtOnce, 0, 0)},
	}
	out := make([]deploy.Config, len(table))
	for i, row := range table {
		out[i] = row.Config
		out[i].ID = fmt.Sprintf("00000000-0000-0000-0000-%012d", i+1)
		out[i].Name = builtInPrefix + row.name
		out[i].CreatedAt = time.Date(2014, time.October, 6, 0, 0, 0, 0, time.UTC)
	}
	return out
}

func builtInConfig(name string) (deploy.Config, bool) {
	for _, c := range builtInConfigs() {
		if c.Name == name {
			return c, true
		}
	}
	return deploy.Config{}, false
}

// defaultConfig is the config of a group that names none.
func defaultConfig(platform string) string {
	switch platform {
	case deploy.PlatformLambda:
		return lambdaAllAtOnce
	case deploy.PlatformECS:
		return ecsAllAtOnce
	default:
		return oneAtATime
	}
}
