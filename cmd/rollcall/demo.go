package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"rollcall/infra/snapshot"
	"rollcall/shared/scenario"
)

type demoCommand struct {
	Scenario string `help:"A scenario file to play instead of the built-in company." type:"existingfile" placeholder:"FILE"`
	JSON     bool   `help:"Print one JSON document instead of the story." name:"json"`
	Log      string `help:"Write what the functions log to this file." placeholder:"FILE"`
	Modules  string `help:"The folder node_modules that has dynalite." placeholder:"FOLDER"`
}

// Run plays a scenario and shows it as it happens.
func (d *demoCommand) Run(ctx context.Context, s streams) (err error) {
	name, text := "built-in company", scenario.Company()
	if d.Scenario != "" {
		name = filepath.Base(d.Scenario)
		if text, err = os.ReadFile(d.Scenario); err != nil {
			return err
		}
	}
	story, err := scenario.Read(name, text)
	if err != nil {
		return fmt.Errorf("the scenario has mistakes:\n%w", err)
	}
	log, done, err := openLog(d.Log)
	if err != nil {
		return err
	}
	defer func() {
		if e := done(); err == nil {
			err = e
		}
	}()
	options := scenario.Options{Template: snapshot.Template, Modules: d.Modules, Log: log}
	if d.JSON {
		return printJSON(ctx, s.out, story, options)
	}
	screen := newScreen(s.out, story)
	screen.begin()
	options.Watch = screen.moment
	report, err := scenario.Play(ctx, story, options)
	if err != nil {
		screen.clear()
		return err
	}
	screen.end(report)
	return nil
}

func printJSON(ctx context.Context, out io.Writer, story scenario.Scenario, options scenario.Options) error {
	report, err := scenario.Play(ctx, story, options)
	if err != nil {
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(report)
}

func openLog(path string) (io.Writer, func() error, error) {
	if path == "" {
		return io.Discard, func() error { return nil }, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}
