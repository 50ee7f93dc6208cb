package relational

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

const instanceColumns = `account, name, arn, iam_user_arn, iam_session_arn, tags, registered_at, deregistered_at, address`

func scanInstance(scan func(...any) error) (i deploy.Instance, err error) {
	var tags string
	var registered, deregistered sql.NullInt64
	if err := scan(&i.Account, &i.Name, &i.ARN, &i.IAMUserARN, &i.IAMSessionARN, &tags, &registered, &deregistered, &i.Address); err != nil {
		return deploy.Instance{}, err
	}
	i.RegisteredAt, i.DeregisteredAt = moment(registered), moment(deregistered)
	return i, decodeTags(tags, &i.Tags)
}

func readInstance(ctx context.Context, r Reader, condition string, args ...any) (deploy.Instance, error) {
	return scanInstance(func(into ...any) error {
		return r.Row(ctx, `SELECT `+instanceColumns+` FROM instance `+condition, args, into...)
	})
}

// readRegistered finds an instance that is registered. Nothing is said of deregistered_at, which would have a database think of the index of hosts.
func readRegistered(ctx context.Context, r Reader, account, name string) (deploy.Instance, error) {
	i, err := readInstance(ctx, r, `WHERE account = ? AND name = ?`, account, name)
	if err == nil && !i.DeregisteredAt.IsZero() {
		err = store.ErrNotFound
	}
	return i, err
}

// RegisterInstance implements store.Instances.
func (s *Store) RegisterInstance(ctx context.Context, i deploy.Instance) error {
	defer s.instanceChanges.Add(1) // also after an error: the database may have kept it all the same
	err := s.write.Do(ctx, func(t Tx) error {
		old, err := readInstance(ctx, t, `WHERE account = ? AND name = ?`, i.Account, i.Name)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return err
		case old.DeregisteredAt.IsZero():
			return store.ErrExists
		}
		owner, err := readInstance(ctx, t, `WHERE host = ? AND deregistered_at IS NULL`, i.Host())
		if err == nil {
			return &store.ARNTakenError{Instance: owner.Name}
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := retag(t, old, i); err != nil {
			return err
		}
		_, err = t.Exec(`
			INSERT INTO instance (`+instanceColumns+`, host) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (account, name) DO UPDATE SET
				arn = excluded.arn, iam_user_arn = excluded.iam_user_arn, iam_session_arn = excluded.iam_session_arn, tags = excluded.tags,
				registered_at = excluded.registered_at, deregistered_at = excluded.deregistered_at, address = excluded.address, host = excluded.host`,
			i.Account, i.Name, i.ARN, i.IAMUserARN, i.IAMSessionARN, encodeTags(i.Tags), nanosOrZero(i.RegisteredAt), nanos(i.DeregisteredAt), i.Address, i.Host())
		if err != nil {
			return err
		}
		// It may be another machine under an old name: nothing is known of what it has.
		_, err = t.Exec(`DELETE FROM instance_state WHERE instance = ? AND group_id IN (SELECT id FROM deployment_group WHERE account = ?)`, i.Name, i.Account)
		return err
	})
	return wrap(err, "register instance %q", i.Name)
}

// DeregisterInstance implements store.Instances.
func (s *Store) DeregisterInstance(ctx context.Context, account, name string, at time.Time) error {
	defer s.instanceChanges.Add(1)
	err := s.write.Do(ctx, func(t Tx) error {
		i, err := readRegistered(ctx, t, account, name)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := retag(t, i, deploy.Instance{Account: account, Name: name}); err != nil {
			return err
		}
		_, err = t.Exec(`UPDATE instance SET deregistered_at = ?, tags = '{}', address = '' WHERE account = ? AND name = ?`, nanos(at), account, name)
		return err
	})
	return wrap(err, "deregister instance %q", name)
}

// Instance implements store.Instances.
func (s *Store) Instance(ctx context.Context, account, name string) (deploy.Instance, error) {
	i, err := readInstance(ctx, s.read, `WHERE account = ? AND name = ?`, account, name)
	return i, wrap(err, "read instance %q", name)
}

// InstanceByHost implements store.Instances.
func (s *Store) InstanceByHost(ctx context.Context, host string) (deploy.Instance, error) {
	i, err := readInstance(ctx, s.read, `WHERE host = ? AND deregistered_at IS NULL`, host)
	return i, wrap(err, "read the instance of host %q", host)
}

// InstanceChanges implements store.Instances.
func (s *Store) InstanceChanges() (n int64, whole bool) { return s.instanceChanges.Load(), s.alone }

// registrations are the conditions of InstanceFilter.Registration.
var registrations = map[string]string{"": ``, "Registered": ` AND deregistered_at IS NULL`, "Deregistered": ` AND deregistered_at IS NOT NULL`}

// Instances implements store.Instances, by name.
func (s *Store) Instances(ctx context.Context, account string, f store.InstanceFilter, p store.Page) ([]deploy.Instance, error) {
	condition, ok := registrations[f.Registration]
	if !ok {
		return nil, fmt.Errorf("list instances: unknown registration %q", f.Registration)
	}
	if len(f.Tags) > 0 {
		out, err := s.tagged(ctx, account, f, p)
		return out, wrap(err, "find instances by their tags")
	}
	var out []deploy.Instance
	err := s.read.Each(ctx, `SELECT `+instanceColumns+` FROM instance WHERE account = ? AND name > ?`+condition+` ORDER BY name LIMIT ?`,
		[]any{account, p.After, limit(p.Limit)}, func(rows Rows) (bool, error) {
			i, err := scanInstance(rows.Scan)
			out = append(out, i)
			return true, err
		})
	return out, wrap(err, "list instances")
}

// ChangeInstances implements store.Instances. A name that is given twice is changed once.
func (s *Store) ChangeInstances(ctx context.Context, account string, names []string, change func(*deploy.Instance) error) error {
	distinct := slices.Compact(slices.Sorted(slices.Values(names)))
	return s.write.Do(ctx, func(t Tx) error {
		for _, name := range distinct {
			i, err := readRegistered(ctx, t, account, name)
			old := i
			old.Tags = maps.Clone(i.Tags)
			if err == nil {
				err = change(&i)
			}
			if err == nil {
				err = retag(t, old, i)
			}
			if err == nil {
				_, err = t.Exec(`UPDATE instance SET tags = ? WHERE account = ? AND name = ?`, encodeTags(i.Tags), account, name)
			}
			if err != nil {
				return wrap(err, "change instance %q", name)
			}
		}
		return nil
	})
}

// SetInstanceAddress implements store.Instances. A name that is not registered returns store.ErrNotFound.
func (s *Store) SetInstanceAddress(ctx context.Context, account, name, address string) error {
	i, err := s.Instance(ctx, account, name)
	if err == nil && i.Address == address && i.DeregisteredAt.IsZero() {
		return nil
	}
	if err == nil {
		err = s.write.Do(ctx, func(t Tx) error {
			return one(t.Exec(`UPDATE instance SET address = ? WHERE account = ? AND name = ? AND coalesce(deregistered_at, 0) = 0`, address, account, name))
		})
	}
	return wrap(err, "set the address of instance %q", name)
}
