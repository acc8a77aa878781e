package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// clusterFolder is where the part in JavaScript is, with what npm has installed there.
func clusterFolder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "cluster")
}

// installCluster has npm install puppeteer-cluster and puppeteer-core, which brings no browser. It
// says in one line why that is not possible.
func installCluster() error {
	folder := clusterFolder()
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "puppeteer-cluster")); err == nil {
		return nil
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return errors.New("npm is not installed")
	}
	command := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	command.Dir, command.Stdout, command.Stderr = folder, os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("npm ci in %s: %w", folder, err)
	}
	return nil
}

// clustered measures puppeteer-cluster, whose workers are in a process of their own. Its time
// counts too.
func clustered(mode string) func(context.Context, *stage) (result, error) {
	return func(ctx context.Context, s *stage) (result, error) {
		args := []string{"--headless"}
		for _, f := range browserFlags {
			args = append(args, "--"+f)
		}
		if root() {
			args = append(args, "--no-sandbox")
		}
		orders, err := json.Marshal(map[string]any{
			"mode": mode, "browser": s.browser, "args": args, "address": s.site.url + "/app?n=",
			"concurrency": concurrency, "milliseconds": s.during().Milliseconds(),
			"timeout":    renderTimeout.Milliseconds(),
			"warm_pages": warmPages, "warm_milliseconds": warmTime.Milliseconds(),
		})
		if err != nil {
			return result{}, err
		}
		command := exec.CommandContext(ctx, "node", "cluster.js", string(orders))
		command.Dir, command.Stderr = clusterFolder(), os.Stderr
		in, err := command.StdinPipe()
		if err != nil {
			return result{}, err
		}
		out, err := command.StdoutPipe()
		if err != nil {
			return result{}, err
		}
		if err := command.Start(); err != nil {
			return result{}, err
		}
		found, err := s.talk(bufio.NewScanner(out), in)
		return found, errors.Join(err, in.Close(), command.Wait())
	}
}

// talk waits until the cluster is warm, lets it go on, and takes what it has measured.
func (s *stage) talk(out *bufio.Scanner, in io.Writer) (result, error) {
	out.Buffer(nil, 1<<20)
	if !out.Scan() {
		return result{}, errors.New("puppeteer-cluster ended before it was ready")
	}
	cpu, began := s.family.cpu(), time.Now()
	if _, err := fmt.Fprintln(in, "go"); err != nil {
		return result{}, err
	}
	if !out.Scan() {
		return result{}, errors.New("puppeteer-cluster ended before it was done")
	}
	took, used := time.Since(began), s.family.cpu()-cpu
	var latencies []float64
	if err := json.Unmarshal(out.Bytes(), &latencies); err != nil {
		return result{}, fmt.Errorf("puppeteer-cluster said %q: %w", out.Text(), err)
	}
	return speed(latencies, took, used), nil
}
