package api

import (
	"crossfade/internal/deploy"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// maxRoutingMinutes is the longest that a canary or linear shift may take.
const maxRoutingMinutes = 2880

// minimumHealthy notes a bad minimum of healthy hosts, and returns it.
func (p *problems) minimumHealthy(platform string, m *control.MinimumHealthyHosts) *deploy.HealthyHosts {
	const code = control.InvalidMinimumHealthyHostValueException
	switch {
	case platform != deploy.PlatformServer && m != nil:
		p.add(code, "The minimum healthy hosts should be null for %s deployment configuration.", platform)
		return nil
	case platform != deploy.PlatformServer:
		return nil
	case m == nil:
		p.add(code, "The minimum healthy hosts argument is missing.")
		return nil
	}
	h := deploy.HealthyHosts{Type: string(value(m.Type)), Value: int(value(m.Value))}
	p.healthy(code, "minimumHealthyHosts", h, m.Value != nil)
	return &h
}

func (p *problems) healthy(code wire.Code, member string, h deploy.HealthyHosts, hasValue bool) {
	switch {
	case h.Type == "":
		p.add(code, "%s has no type; give HOST_COUNT or FLEET_PERCENT.", member)
	case !hasValue:
		p.add(code, "%s has no value.", member)
	case h.Value < 0:
		p.add(code, "%s has the value %d; it can't be negative.", member, h.Value)
	case h.Type == deploy.FleetPercent && h.Value > 99:
		p.add(code, "%s has the value %d; FLEET_PERCENT is 0 to 99, since something must be deployed to.", member, h.Value)
	}
}

// routing notes a bad traffic routing, and returns it. CodeDeploy has none for servers; here it shifts traffic between the environments of a
// blue/green deployment.
func (p *problems) routing(platform string, r *control.TrafficRoutingConfig) *deploy.TrafficRouting {
	const code = control.InvalidTrafficRoutingConfigurationException
	switch {
	case platform == deploy.PlatformServer && r == nil:
		return nil
	case r == nil:
		p.add(code, "trafficRoutingConfig is required for a %s deployment configuration.", platform)
		return nil
	}
	out := &deploy.TrafficRouting{Type: string(value(r.Type))}
	canary, linear := r.TimeBasedCanary, r.TimeBasedLinear
	switch out.Type {
	case "":
		p.add(code, "trafficRoutingConfig has no type; give AllAtOnce, TimeBasedCanary or TimeBasedLinear.")
		return nil
	case deploy.RoutingAllAtOnce:
		if canary != nil || linear != nil {
			p.add(code, "trafficRoutingConfig of the type AllAtOnce has neither timeBasedCanary nor timeBasedLinear.")
		}
		return out
	case deploy.RoutingCanary:
		if canary == nil || linear != nil {
			p.add(code, "trafficRoutingConfig of the type TimeBasedCanary has timeBasedCanary and nothing else.")
			return out
		}
		out.Percentage, out.IntervalMinutes = int(value(canary.CanaryPercentage)), int(value(canary.CanaryInterval))
	case deploy.RoutingLinear:
		if linear == nil || canary != nil {
			p.add(code, "trafficRoutingConfig of the type TimeBasedLinear has timeBasedLinear and nothing else.")
			return out
		}
		out.Percentage, out.IntervalMinutes = int(value(linear.LinearPercentage)), int(value(linear.LinearInterval))
	}
	if out.Percentage < 1 || out.Percentage > 99 {
		p.add(code, "The percentage of trafficRoutingConfig is %d; it is 1 to 99.", out.Percentage)
		return out
	}
	minutes := out.IntervalMinutes
	if out.Type == deploy.RoutingLinear {
		minutes *= 100 / out.Percentage
	}
	if out.IntervalMinutes < 1 || minutes > maxRoutingMinutes {
		p.add(code, "The interval of trafficRoutingConfig is %d minutes; it is at least 1, and the whole shift may take %d minutes.", out.IntervalMinutes, maxRoutingMinutes)
	}
	return out
}

// zonal notes a bad zonal configuration, and returns it.
func (p *problems) zonal(platform string, z *control.ZonalConfig) *deploy.Zonal {
	const code = control.InvalidZonalDeploymentConfigurationException
	if z == nil {
		return nil
	}
	if platform != deploy.PlatformServer {
		p.add(code, "Zonal deployments are only supported with EC2 deployments.")
		return nil
	}
	out := &deploy.Zonal{FirstZoneMonitorSeconds: z.FirstZoneMonitorDurationInSeconds, MonitorSeconds: z.MonitorDurationInSeconds}
	if value(out.FirstZoneMonitorSeconds) < 0 || value(out.MonitorSeconds) < 0 {
		p.add(code, "A monitor duration of zonalConfig can't be negative.")
	}
	if m := z.MinimumHealthyHostsPerZone; m != nil {
		h := deploy.HealthyHosts{Type: string(value(m.Type)), Value: int(value(m.Value))}
		p.healthy(code, "zonalConfig.minimumHealthyHostsPerZone", h, m.Value != nil)
		out.MinimumHealthyPerZone = &h
	}
	return out
}
