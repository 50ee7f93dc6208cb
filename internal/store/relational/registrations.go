package relational

import (
	"context"

	"crossfade/internal/traffic"
)

// Registration is the shape of what a load balancer's driver keeps: the newest wish for an instance in a target group. The driver has a type of
// this shape; naming it here instead of importing it keeps one driver from knowing another.
type Registration interface {
	~struct {
		TargetGroup string
		Instance    string
		Address     string
		In          bool
		Environment string
		Generation  int64
	}
}

// Registry keeps registrations in a Store, for the built-in load balancer: Registry[builtin.Registration] is a builtin.Registry.
type Registry[R Registration] struct{ s *Store }

// Registrations returns the registry in the store.
func Registrations[R Registration](s *Store) Registry[R] { return Registry[R]{s} }

// registration is the columns.
type registration struct {
	TargetGroup string
	Instance    string
	Address     string
	In          bool
	Environment string
	Generation  int64
}

// Load returns all registrations, by target group and instance.
func (r Registry[R]) Load(ctx context.Context) ([]R, error) {
	var out []R
	err := r.s.read.Each(ctx, `SELECT target_group, instance, address, registered, environment, generation FROM registration ORDER BY target_group, instance`, nil,
		func(rows Rows) (bool, error) {
			var x registration
			err := rows.Scan(&x.TargetGroup, &x.Instance, &x.Address, &x.In, &x.Environment, &x.Generation)
			out = append(out, R(x))
			return true, err
		})
	return out, wrap(err, "load traffic registrations")
}

// Save keeps the registrations, replacing those with the same target group and instance: all or none, and durable when it returns.
func (r Registry[R]) Save(ctx context.Context, registrations []R) error {
	err := r.s.write.Do(ctx, func(t Tx) error {
		for _, each := range registrations {
			x := registration(each)
			_, err := t.Exec(`
				INSERT INTO registration (target_group, instance, address, registered, environment, generation) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT (target_group, instance) DO UPDATE SET
					address = excluded.address, registered = excluded.registered, environment = excluded.environment,
					generation = excluded.generation`,
				x.TargetGroup, x.Instance, x.Address, x.In, x.Environment, x.Generation)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return wrap(err, "save traffic registrations")
}

// LoadSplits returns the newest wish to share requests out of each target group that ever had one, by target group.
func (r Registry[R]) LoadSplits(ctx context.Context) ([]traffic.SplitObserved, error) {
	var out []traffic.SplitObserved
	err := r.s.read.Each(ctx, `SELECT target_group, environment, percent, generation FROM split ORDER BY target_group`, nil,
		func(rows Rows) (bool, error) {
			var x traffic.SplitObserved
			err := rows.Scan(&x.TargetGroup, &x.Environment, &x.Percent, &x.Generation)
			out = append(out, x)
			return true, err
		})
	return out, wrap(err, "load traffic splits")
}

// SaveSplits keeps the wishes, replacing those of the same target groups: all or none, and durable when it returns.
func (r Registry[R]) SaveSplits(ctx context.Context, splits []traffic.SplitObserved) error {
	err := r.s.write.Do(ctx, func(t Tx) error {
		for _, x := range splits {
			_, err := t.Exec(`
				INSERT INTO split (target_group, environment, percent, generation) VALUES (?, ?, ?, ?)
				ON CONFLICT (target_group) DO UPDATE SET
					environment = excluded.environment, percent = excluded.percent, generation = excluded.generation`,
				x.TargetGroup, x.Environment, x.Percent, x.Generation)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return wrap(err, "save traffic splits")
}
