package main

import (
	"context"
	"errors"
	"iter"

	"golang.org/x/sync/errgroup"

	"github.com/endoflow/endoflow/flow"
)

// batchSize is how many records go from one goroutine to the other at a time:
// 100 KB or so, which stay in the cache between the two.
const batchSize = 256

// pipe reads the records of files in order, and calls write with them, in batches,
// on another goroutine, so that reading goes on meanwhile. A batch is write's until
// it returns. An error of write ends the reading and is returned.
func pipe(ctx context.Context, files *flow.Files, problem func(*flow.ParseError), write func([]flow.Record) error) (counts flow.Counts, err error) {
	files.Workers = 1 // to keep the order
	full, empty := make(chan []flow.Record, 2), make(chan []flow.Record, 4)
	for range cap(empty) {
		empty <- make([]flow.Record, 0, batchSize)
	}
	g, ctx := errgroup.WithContext(ctx)
	next := func(batch []flow.Record) ([]flow.Record, error) {
		select {
		case full <- batch:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		select {
		case batch = <-empty:
			return batch, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	g.Go(func() (err error) {
		defer close(full)
		batch := <-empty
		counts, err = files.Read(ctx, func(recs iter.Seq2[flow.Record, error]) (err error) {
			for rec, recErr := range recs {
				if pe, ok := errors.AsType[*flow.ParseError](recErr); ok {
					problem(pe)
					continue
				} else if recErr != nil {
					return recErr
				}
				if rec.OS == flow.OSUnknown {
					if d, ok := files.Devices.Lookup(rec.Device); ok {
						rec.OS = d.OS // told by an earlier file
					}
				}
				if batch = append(batch, rec); len(batch) == batchSize {
					if batch, err = next(batch); err != nil {
						return err
					}
				}
			}
			batch, err = next(batch)
			return err
		})
		return err
	})
	g.Go(func() error {
		for batch := range full {
			if err := write(batch); err != nil {
				return err
			}
			empty <- batch[:0]
		}
		return nil
	})
	return counts, g.Wait()
}
