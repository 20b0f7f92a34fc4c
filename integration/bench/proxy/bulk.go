package main

import (
	"os"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

// bulkDown times psql that copies a table out, to nowhere.
func (b *bench) bulkDown(s *side) error {
	return b.transfer(s, "bulk_down", os.DevNull, "copy bulk to stdout")
}

// bulkUp times psql that copies a file in, to nowhere.
func (b *bench) bulkUp(s *side) error {
	return b.transfer(s, "bulk_up", b.bulkFile(), kit.CreateSinkSQL+"; "+kit.UploadSQL)
}

// transfer times psql from its start to its end, whose connect is a hundredth
// of that. What it prints goes nowhere.
func (b *bench) transfer(s *side, what, input, sql string) error {
	in, err := os.Open(input)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd, err := b.client(b.ctx, s, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", sql)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout = in, out
	cpu, known := s.cpu()
	begun := time.Now()
	if err := finish(cmd); err != nil {
		return err
	}
	took := time.Since(begun)
	now, _ := s.cpu()
	b.addTransfer(s, what, took, now-cpu, known)
	return nil
}

// addTransfer notes the speed of a transfer of all rows, and what it took.
func (b *bench) addTransfer(s *side, what string, took, cpu time.Duration, known bool) {
	bytes := float64(b.plan.bulkRows * kit.RowLength)
	b.samples.Add(s.name, what, bytes/1e6/took.Seconds())
	if known {
		b.samples.Add(s.name, what+"_cpu_s_per_gb", cpu.Seconds()/(bytes/1e9))
	}
}
