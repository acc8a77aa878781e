package main

import (
	"context"

	"github.com/pagepool/pagepool/pool"
)

// driver is one that does everything at once, so that what is measured is the pool.
type driver struct{}

type browser struct{ done chan struct{} }

type profile struct{}

type page struct {
	life context.Context
	end  context.CancelFunc
}

func (driver) Launch(context.Context) (pool.Browser[*page], error) {
	return &browser{done: make(chan struct{})}, nil
}

func (b *browser) NewContext(context.Context) (pool.BrowserContext[*page], error) {
	return profile{}, nil
}
func (b *browser) Done() <-chan struct{}      { return b.done }
func (b *browser) Ping(context.Context) error { return nil }

func (b *browser) Close(context.Context) error {
	close(b.done)
	return nil
}

func (profile) NewTab(context.Context) (pool.Tab[*page], error) {
	life, end := context.WithCancel(context.Background())
	return &page{life, end}, nil
}
func (profile) Close(context.Context) error { return nil }

func (p *page) Page() *page                  { return p }
func (p *page) Context() context.Context     { return p.life }
func (p *page) Done() <-chan struct{}        { return p.life.Done() }
func (p *page) Reset(context.Context) error  { return nil }
func (p *page) Probe(context.Context) error  { return nil }
func (p *page) Rescue(context.Context) error { return nil }

func (p *page) Close(context.Context) error {
	p.end()
	return nil
}

func (p *page) Kill(context.Context) error {
	p.end()
	return nil
}
