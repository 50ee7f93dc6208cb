package operator

import (
	"context"
	"errors"
	"fmt"

	"crossfade/internal/auth"
	"crossfade/internal/fleet"
	"crossfade/internal/wire"
)

const (
	listFleets   = "ListFleets"
	setFleetSize = "SetFleetSize"
)

// Exceptions that the control API has no words for.
const (
	FleetDoesNotExist wire.Code = "FleetDoesNotExistException"
	InvalidFleetSize  wire.Code = "InvalidFleetSizeException"
)

// ListFleetsInput asks for the account's fleets.
type ListFleetsInput struct{}

// ListFleetsOutput is the Auto Scaling groups that the server keeps by itself, by name.
type ListFleetsOutput struct {
	Fleets []FleetStatus `json:"fleets"`
}

// FleetStatus is a group and how it stands.
type FleetStatus struct {
	Name      string        `json:"name"`
	Origin    string        `json:"origin"` // the configured group that it is a copy of, or its own name
	Size      int           `json:"size"`   // instances that it is to have
	InService int           `json:"inService"`
	Deleted   bool          `json:"deleted,omitempty"` // it was ended; a configured one comes back when its size is set
	Instances []FleetMember `json:"instances"`
	Problems  []string      `json:"problems,omitempty"` // what hinders which instances, a sentence each
}

// FleetMember is an instance of a group.
type FleetMember struct {
	Name  string `json:"name"`
	State string `json:"state"` // Pending, Pending:Wait, InService, Terminating:Wait or Terminating
	Zone  string `json:"zone,omitempty"`
}

// SetFleetSizeInput says how many instances a group is to have.
type SetFleetSizeInput struct {
	Name *string `json:"name,omitzero"`
	Size *int64  `json:"size,omitzero"`
}

// Validate implements wire.Input.
func (*ListFleetsInput) Validate() []wire.Violation { return nil }

// Validate implements wire.Input. What a size may be is left to the fleet.
func (in *SetFleetSizeInput) Validate() []wire.Violation {
	var all []wire.Violation
	if in.Name == nil || *in.Name == "" {
		all = append(all, wire.Violation{Path: "name", Shape: "FleetName", Member: "name", Rule: wire.Required, Detail: "name the fleet"})
	}
	if in.Size == nil {
		all = append(all, wire.Violation{Path: "size", Shape: "FleetSize", Member: "size", Rule: wire.Required, Detail: "say how many instances it is to have"})
	}
	return all
}

func fleetOperations(s *Service) []wire.Operation {
	return []wire.Operation{
		wire.Op(listFleets, s.ListFleets),
		wire.Void(setFleetSize, s.SetFleetSize, FleetDoesNotExist, InvalidFleetSize),
	}
}

// ListFleets lists the groups of the caller's account. A server without any has an empty list.
func (s *Service) ListFleets(ctx context.Context, _ *ListFleetsInput) (*ListFleetsOutput, error) {
	caller, ok := auth.FromContext(ctx)
	if !ok {
		return nil, errors.New("list fleets without a caller")
	}
	out := &ListFleetsOutput{Fleets: []FleetStatus{}}
	if s.Fleets == nil {
		return out, nil
	}
	all, err := s.Fleets.Sizes(ctx, caller.Account)
	if err != nil {
		return nil, fmt.Errorf("list fleets: %w", err)
	}
	for _, f := range all {
		status := FleetStatus{
			Name: f.Name, Origin: f.Origin, Size: f.Desired, InService: f.InService(), Deleted: f.Deleted, Problems: f.Problems,
			Instances: []FleetMember{},
		}
		for _, m := range f.Members {
			status.Instances = append(status.Instances, FleetMember{Name: m.Name, State: string(m.State), Zone: m.Zone})
		}
		out.Fleets = append(out.Fleets, status)
	}
	return out, nil
}

// SetFleetSize sets the size of a group and does not wait until it has it.
func (s *Service) SetFleetSize(ctx context.Context, in *SetFleetSizeInput) error {
	caller, ok := auth.FromContext(ctx)
	if !ok {
		return errors.New("set the size of a fleet without a caller")
	}
	err := fleet.ErrUnknownGroup
	if s.Fleets != nil {
		size := int(max(-1, min(*in.Size, 1<<30))) // what no fleet has stays what no fleet has
		err = s.Fleets.SetSize(ctx, caller.Account, *in.Name, size)
	}
	var wrong *fleet.SizeError
	switch {
	case errors.Is(err, fleet.ErrUnknownGroup):
		return wire.Errorf(FleetDoesNotExist, "The server keeps no Auto Scaling group %q; crossfade fleet list shows those that there are.", *in.Name)
	case errors.As(err, &wrong):
		return wire.Errorf(InvalidFleetSize, "The size of %q can't be set: %s.", *in.Name, wrong.Text)
	case err != nil:
		return fmt.Errorf("set the size of fleet %s: %w", *in.Name, err)
	}
	return nil
}

// ListFleets asks for the Auto Scaling groups that the server keeps.
func (c *Client) ListFleets(ctx context.Context) (ListFleetsOutput, error) {
	var out ListFleetsOutput
	if err := c.call(ctx, listFleets, ListFleetsInput{}, &out); err != nil {
		return ListFleetsOutput{}, fmt.Errorf("list fleets: %w", err)
	}
	return out, nil
}

// SetFleetSize sets how many instances a group is to have.
func (c *Client) SetFleetSize(ctx context.Context, in SetFleetSizeInput) error {
	if err := c.call(ctx, setFleetSize, in, nil); err != nil {
		return fmt.Errorf("set the size of the fleet: %w", err)
	}
	return nil
}
