package upkeep

import (
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
)

// heartbeat is how often an instance that is being deployed to is kept waiting, as CodeDeploy does it.
const heartbeat = 5 * time.Minute

// hookAgain is how often a hook is set that should be there: somebody may have taken it away.
const hookAgain = 10 * time.Minute

// goAgain is the time after which an instance that is still listed is told once more that it may go on. AWS lists it as long as it waits at any of
// its group's hooks.
const goAgain = time.Minute

// place is a hook of an Auto Scaling group.
type place struct{ account, group, hook string }

// wait is an instance that waits at a hook.
type wait struct {
	place
	instance, token string
}

// owner is whose hook it is.
type owner struct {
	group       deploy.Group
	termination bool
}

// answer is what becomes of an instance that waits at a hook.
type answer int

const (
	stay    answer = iota // it waits as long as the hook lets it
	begin                 // a deployment is made for it
	hold                  // its deployment is under way: it is kept waiting
	proceed               // it goes on
	abandon               // it was launched in vain, is ended and replaced
)

// answerTo decides what becomes of an instance. d is the deployment that was made for it, nil: none was. deployed reports whether the group
// knows of a deployment to the instance; it matters for one that ends.
func answerTo(o owner, w fleet.Waiting, d *deploy.Deployment, deployed bool) answer {
	switch {
	case d != nil && !d.State.Status.Terminal():
		return hold
	case d != nil && !o.termination && d.State.Status != deploy.StatusSucceeded:
		return abandon
	case d != nil:
		return proceed // that nothing could be stopped on it does not keep an instance from ending
	case o.group.TargetRevision == nil || o.group.LastSuccessful == nil:
		return proceed // there is nothing to deploy yet
	case o.termination && (!deployed || w.Instance.Host == ""):
		return proceed // nothing runs on it, or nothing is known that could stop it
	case w.Instance.Host == "":
		return stay // nobody knows yet what its agent signs with
	default:
		return begin
	}
}
