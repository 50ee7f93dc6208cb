package upkeep

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
)

// followUpSpec is a deployment of the group's revision to the named instances. It is not rolled back, and does not wait its turn: behind another
// deployment it would bring a revision that is the group's no longer.
func followUpSpec(g deploy.Group, c deploy.Config, h history, names []string, id string) deploy.Spec {
	spec := deploy.Spec{
		ID: id, Creator: deploy.CreatorAutoUpdate, Revision: *g.TargetRevision, FileExists: h.last.FileExists, UpdateOutdatedOnly: true, Only: names, Root: h.root(g),
	}
	spec.TakeInPlace(g, c, h.last)
	spec.AutoRollback, spec.Queue = nil, false
	return spec
}

// besideSpec is a deployment of the group's last successful revision to one instance that comes or goes by itself. It may fail without being rolled
// back, has no alarm to fear, and no other instance to spare.
func besideSpec(g deploy.Group, last deploy.Spec, instance, id string) deploy.Spec {
	spec := deploy.Spec{ID: id, Creator: deploy.CreatorAutoScaling, Revision: *g.TargetRevision, FileExists: last.FileExists, Only: []string{instance}}
	spec.TakeInPlace(g, deploy.Config{Name: g.Settings.Config, MinimumHealthy: &deploy.HealthyHosts{Type: deploy.HostCount}}, last)
	spec.AutoRollback, spec.Watch, spec.Queue = nil, nil, false
	return spec
}

// launchSpec is the deployment to an instance that was launched.
func launchSpec(g deploy.Group, last deploy.Spec, instance, id string) deploy.Spec {
	spec := besideSpec(g, last, instance, id)
	if g.Environment != "" {
		// Other instances serve for the group since its last blue/green deployment. This one is to be ready, and not to serve beside them.
		spec.Kind = deploy.KindInPlace
	}
	return spec
}

// retireSpec is the deployment to an instance that is about to end.
func retireSpec(g deploy.Group, last deploy.Spec, instance, id string) deploy.Spec {
	spec := besideSpec(g, last, instance, id)
	spec.Creator = deploy.CreatorAutoRetire
	if spec.Kind == deploy.KindInPlaceTraffic {
		spec.Kind = deploy.KindRetireTraffic
	} else {
		spec.Kind = deploy.KindRetire
	}
	// A script that fails, or an agent that is dead already, must not keep the load balancer from letting the instance's requests end.
	spec.IgnoreApplicationStopFailures = true
	return spec
}

const (
	idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	idLength  = 9
)

// besideID is the id of the deployment to an instance that waits at a hook. It is drawn from what is waited for, so that the deployment is found again
// whoever created it, and never created twice. n is how many ids before it are another deployment's.
func besideID(g deploy.Group, w fleet.Waiting, n int) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{g.ID, w.Group, w.Hook.Name, w.Instance.Name, w.Token, strconv.Itoa(n)}, "\x00")))
	rest := binary.BigEndian.Uint64(sum[:])
	id := make([]byte, idLength)
	for i := range id {
		id[i] = idLetters[rest%uint64(len(idLetters))]
		rest /= uint64(len(idLetters))
	}
	return "d-" + string(id)
}
