package script

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// workingDirectory is the agent's own.
const workingDirectory = ""

// credential does not exist on Windows, where runas is ignored as the official agent ignores it.
type credential struct{}

func (*credential) environment() []string { return nil }

func isExecutable(fs.FileInfo) bool { return true }
func isBusy(error) bool             { return false }
func isNoProgram(error) bool        { return false }

func command(s Script) ([]string, *credential, error) {
	if strings.EqualFold(filepath.Ext(s.Path), ".ps1") {
		return []string{"powershell.exe", "-ExecutionPolicy", "Bypass", "-File", s.Path}, nil, nil
	}
	return []string{s.Path}, nil, nil
}

func setGroup(cmd *exec.Cmd, _ *credential) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func terminate(cmd *exec.Cmd) error { return kill(cmd) }

// kill ends the script with all that it started, or at least the script.
func kill(cmd *exec.Cmd) error {
	if err := exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(cmd.Process.Pid)).Run(); err == nil {
		return nil
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill script: %w", err)
	}
	return nil
}

// groupLives is false: what a script that has ended had started can't be found.
func groupLives(*exec.Cmd) bool { return false }

// giveUpReading ends whoever holds the pipe open, because a pipe has no deadline on Windows.
func giveUpReading(cmd *exec.Cmd, _ *os.File) error { return kill(cmd) }
