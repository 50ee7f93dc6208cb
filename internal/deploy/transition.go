package deploy

import "time"

// Transition is a change of one deployment, made by New and Step only and applied by a store only: whole or not at all, and only to the
// version that it came from. The zero Transition changes nothing.
type Transition struct {
	from       int64
	created    bool
	deployment *Deployment // nil: it changes nothing
	targets    []Target
	newTargets []Target
	skipRest   bool
	effects    []Effect
	cleared    []EffectKey
	clearAll   bool
	journal    []Line
	group      *GroupChange
	instances  []InstanceChange
	notices    []Notice
	spawn      *Transition
	outcome    Outcome
	ending     bool // the deployment has begun to end
	// respecified says that the spec has changed.
	respecified bool
}

// Empty reports whether there is nothing to apply.
func (t Transition) Empty() bool { return t.deployment == nil }

// Outcome says what became of the event, where its sender needs to know.
func (t Transition) Outcome() Outcome { return t.outcome }

// From is the version of the deployment that the transition applies to; Created says that there must be none.
func (t Transition) From() int64 { return t.from }

// Created reports whether the transition makes the deployment.
func (t Transition) Created() bool { return t.created }

// Deployment is the deployment after the transition; its State.Version is From()+1.
func (t Transition) Deployment() Deployment {
	if t.deployment == nil {
		return Deployment{}
	}
	return *t.deployment
}

// Targets are the changed targets, whole.
func (t Transition) Targets() []Target { return t.targets }

// NewTargets are the targets to be added.
func (t Transition) NewTargets() []Target { return t.newTargets }

// SkipRest asks that every target of the deployment whose status is Pending, InProgress or Ready, after Targets have been written, becomes
// Skipped, with nothing due.
func (t Transition) SkipRest() bool { return t.skipRest }

// Effects are to be kept, by key, in place of older ones of the same key, and carried out once the transition is durable.
func (t Transition) Effects() []Effect { return t.effects }

// Cleared are the keys of effects that are done or no longer wanted. They are to be dropped before Effects are kept.
func (t Transition) Cleared() []EffectKey { return t.cleared }

// ClearAll asks that every effect of the deployment except traffic orders is dropped, before Effects are kept: the deployment is over.
func (t Transition) ClearAll() bool { return t.clearAll }

// Journal is what happened, in order.
func (t Transition) Journal() []Line { return t.journal }

// Group is what the deployment's group is to remember, or nil.
func (t Transition) Group() *GroupChange { return t.group }

// Instances is what the deployment found out about instances of its group, to be kept by group and instance, in order.
func (t Transition) Instances() []InstanceChange { return t.instances }

// Notices are to be kept for telling, in order.
func (t Transition) Notices() []Notice { return t.notices }

// Ending reports whether the deployment has begun to end in this step and waits for what is in flight. Commands that no agent has taken are to be
// recalled.
func (t Transition) Ending() bool { return t.ending && !t.deployment.State.Status.Terminal() }

// Respecified asks that the deployment's spec is written again: its turn has come, and what it takes over from its group has changed.
func (t Transition) Respecified() bool { return t.respecified }

// Spawn is the deployment that this one's end brings about, to be created in the same commit, after it; or nil.
func (t Transition) Spawn() *Transition { return t.spawn }

// GroupChange is what a deployment writes into its group. Members that are nil leave what is there.
type GroupChange struct {
	GroupID        string
	LastAttempted  *DeploymentRef
	LastSuccessful *DeploymentRef
	TargetRevision *Revision
	Environment    *string
	// AutoScalingGroups replaces those of the group's settings.
	AutoScalingGroups []string
}

// Line is one line of a deployment's journal.
type Line struct {
	Number int64     `json:"number"` // from 1 in each deployment
	At     time.Time `json:"at"`
	Target string    `json:"target,omitempty"`
	Event  EventName `json:"event,omitempty"`
	From   string    `json:"from,omitempty"`
	To     string    `json:"to,omitempty"`
	Text   string    `json:"text"` // one sentence for a person
}

// Outcome is what became of an event that was not refused.
type Outcome string

// The outcomes.
const (
	OutcomeAccepted Outcome = ""        // it had its effect, now or when it first came
	OutcomeDropped  Outcome = "dropped" // a command acknowledged too late: the agent must not run it
)
