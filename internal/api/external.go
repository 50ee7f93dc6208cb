package api

import (
	"context"

	"crossfade/internal/wire/control"
)

// DeleteResourcesByExternalId implements control.Service. External ids link resources to stacks of CloudFormation, which makes none here, so
// there is nothing to delete: as for every id that nothing is linked to, that succeeds.
func (s *Service) DeleteResourcesByExternalId(context.Context, *control.DeleteResourcesByExternalIdInput) (*control.DeleteResourcesByExternalIdOutput, error) {
	return &control.DeleteResourcesByExternalIdOutput{}, nil
}
