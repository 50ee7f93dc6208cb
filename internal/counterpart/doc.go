// Package counterpart starts, for tests, the programs of others that drivers talk to: moto_server for AWS, Prometheus, Alertmanager,
// PostgreSQL.
//
// It owns their processes: each listens on a port of its own on 127.0.0.1, keeps what it keeps in the test's directory, and is killed when the
// test ends; when the test has failed, what the program said last is logged. Where a program is not installed the test is skipped, and says
// so: only tests that also hold their claims against recorded answers, or that prove nothing but the agreement with the program, may use it.
//
// A program takes a second or more to start: start it once in a test and use it in its subtests. In moto_server two tests keep out of each
// other's way by using regions or names of their own.
package counterpart
