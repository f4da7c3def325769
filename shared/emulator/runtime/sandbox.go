package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// sandbox is one process with its Runtime API and its log: from exec to exit.
type sandbox struct {
	api     *api
	process *process
	log     *log

	idle   bool  // the function waits for an invocation
	failed error // why init failed; nil
	init   time.Duration
	answer *answer // to the invocation at hand
}

func startSandbox(options Options, region string) (*sandbox, error) {
	api, err := listen()
	if err != nil {
		return nil, err
	}
	log, err := openLog(options.Log)
	if err != nil {
		api.close()
		return nil, err
	}
	p, err := startProcess(options.Bootstrap, options.environment(region, api.address()), log)
	if err != nil {
		api.close()
		log.close()
		return nil, err
	}
	return &sandbox{api: api, process: p, log: log}, nil
}

// close kills the process and takes everything down. It may be called again.
func (s *sandbox) close() {
	s.process.kill()
	<-s.process.exited
	s.api.close()
	s.log.close()
}

// waitInit waits until the function asks for its first invocation. A function that reports an error of its init, or
// ends, has failed; the error is ctx.Err().
func (s *sandbox) waitInit(ctx context.Context) error {
	begin := s.process.started
	for {
		select {
		case e := <-s.api.events:
			s.process.sample()
			if e.answer != nil {
				s.failed = e.answer.failure
				continue // it ends by itself
			}
			s.idle, s.init = true, e.at.Sub(begin)
			return nil
		case <-s.process.exited:
			if s.failed == nil {
				s.failed = s.reported()
			}
			if s.failed == nil {
				s.failed = &Error{Type: "Runtime.ExitError", Message: s.process.ending()}
			}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("waiting for init: %w", ctx.Err())
		}
	}
}

// reported is an init error that came just before the process ended; nil where there is none.
func (s *sandbox) reported() error {
	select {
	case e := <-s.api.events:
		if e.answer != nil && e.answer.failure != nil {
			return e.answer.failure
		}
	default:
	}
	return nil
}

// serve hands out an invocation and waits until the function has answered it and asks for the next one: only then
// has Lambda's invocation ended. The error is ctx.Err(), or errExited for a process that ended without an answer.
func (s *sandbox) serve(ctx context.Context, in invocation) error {
	s.idle, s.answer = false, nil
	s.api.begin(in)
	for {
		select {
		case e := <-s.api.events:
			s.process.sample()
			if e.answer != nil {
				s.answer = e.answer
				continue
			}
			s.idle = true
			return nil
		case <-s.process.exited:
			s.lastAnswer()
			if s.answer == nil {
				return errExited
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var errExited = errors.New("the process ended without an answer")

// lastAnswer takes up an answer that came just before the process ended, as after a panic.
func (s *sandbox) lastAnswer() {
	for {
		select {
		case e := <-s.api.events:
			if e.answer != nil {
				s.answer = e.answer
			}
		default:
			return
		}
	}
}

// outcome is what the caller of Lambda's Invoke would get.
// (The words of Runtime.ExitError and Sandbox.Timedout are recorded of Lambda in LocalStack's
// tests/aws/services/lambda_/test_lambda.snapshot.json, November 2025.)
func (s *sandbox) outcome(id string, err error, timeout time.Duration) ([]byte, *Error) {
	var own *Error
	switch {
	case errors.Is(err, errExited):
		return told(&Error{Type: "Runtime.ExitError", Message: "RequestId: " + id + " Error: " + s.process.ending()})
	case err != nil: // the deadline, or the caller's end
		return told(&Error{Type: "Sandbox.Timedout", Message: fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", id, timeout.Seconds())})
	case errors.As(s.failed, &own):
		return told(own)
	case s.failed != nil:
		return told(&Error{Type: "Runtime.Unknown", Message: s.failed.Error()})
	}
	if errors.As(s.answer.failure, &own) {
		return s.answer.body, own
	}
	return s.answer.body, nil
}

func told(e *Error) ([]byte, *Error) {
	text, err := json.Marshal(e)
	if err != nil { // two strings always marshal
		panic("marshalling an error of a function: " + err.Error())
	}
	return text, e
}

// gone reports whether the process has ended.
func (s *sandbox) gone() bool {
	select {
	case <-s.process.exited:
		return true
	default:
		return false
	}
}
