package tidemill

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

type retryable struct{ error }

func (r retryable) Unwrap() error { return r.error }

// Retryable marks an error of a whole call: trying the same records again may help. Any other error that a
// plugin's function returns is final.
func Retryable(err error) error {
	return retryable{err}
}

// IsRetryable tells whether an error, or one that it wraps, was marked by [Retryable].
func IsRetryable(err error) bool {
	return errors.As(err, new(retryable))
}

// guarded turns a panic of the author's code into an error that says where it was.
func guarded(run func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v%s", reason, authorsLine())
		}
	}()
	return run()
}

// authorsLine is the innermost line of the stack that belongs neither to Go nor to this SDK.
func authorsLine() string {
	var callers [64]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers[:])])
	for {
		frame, more := frames.Next()
		if !isOfSDK(frame.Function) && !strings.HasPrefix(frame.Function, "runtime.") {
			file := frame.File[strings.LastIndexByte(frame.File, '/')+1:]
			return fmt.Sprintf(" (%s:%d)", file, frame.Line)
		}
		if !more {
			return ""
		}
	}
}

func isOfSDK(function string) bool {
	const here = "github.com/tidemill/tidemill/plugin-sdk/go/"
	return strings.HasPrefix(function, here+"tidemill.") || strings.HasPrefix(function, here+"component")
}
