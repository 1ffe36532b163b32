package enrich

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// A schedule has applications joined by several workers and takes the results in
// order. Large applications are begun first, so that none of them is left to one
// worker at the end, as long as not too many endpoints wait for their turn; then
// the application whose turn it is is begun, if nobody has, and no other.
type schedule struct {
	mu      sync.Mutex
	change  *sync.Cond
	begun   []bool
	results []*AppEndpoints // by place in the order; nil until joined, and when taken
	bySize  []int           // places, the largest application first; those before the first not begun are dropped
	turn    int
	waiting int // endpoints of results
	err     error
	stopped bool
}

// maxWaiting is how many endpoints may wait for their turn before large
// applications are put off; they take 48 MiB or less.
const maxWaiting = 1 << 20

// run joins the applications and yields them in order.
func (s *joined) run(ctx context.Context, yield func(AppEndpoints, error) bool) {
	q := &schedule{begun: make([]bool, len(s.apps)), results: make([]*AppEndpoints, len(s.apps)), bySize: make([]int, len(s.apps))}
	q.change = sync.NewCond(&q.mu)
	sizes := make([]int64, len(s.apps))
	for i, app := range s.apps {
		q.bySize[i], sizes[i] = i, s.c.size(app)
	}
	slices.SortStableFunc(q.bySize, func(a, b int) int { return cmp.Compare(sizes[b], sizes[a]) })

	var workers sync.WaitGroup
	defer workers.Wait()
	defer q.stop()
	for range min(s.Workers, len(s.apps)) {
		workers.Go(func() {
			w := newJoiner(s)
			for i, ok := q.begin(); ok; i, ok = q.begin() {
				result, err := w.endpoints(ctx, s.apps[i])
				q.done(i, result, err)
			}
		})
	}
	for range s.apps {
		result, err := q.take()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			s.c.note(err)
			yield(AppEndpoints{}, err)
			return
		}
		if result.Active > 0 && !yield(result, nil) {
			return
		}
	}
}

// begin returns the place of an application that is to be joined now, or false
// when there is none left.
func (q *schedule) begin() (place int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.stopped && q.err == nil {
		for len(q.bySize) > 0 && q.begun[q.bySize[0]] {
			q.bySize = q.bySize[1:]
		}
		if len(q.bySize) == 0 {
			return 0, false
		}
		place = q.bySize[0]
		if q.waiting >= maxWaiting {
			place = q.turn
		}
		if !q.begun[place] {
			q.begun[place] = true
			return place, true
		}
		q.change.Wait()
	}
	return 0, false
}

func (q *schedule) done(place int, result AppEndpoints, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.results[place] = &result
	q.waiting += result.size()
	q.change.Broadcast()
}

// take waits for the result whose turn it is.
func (q *schedule) take() (AppEndpoints, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.results[q.turn] == nil && q.err == nil {
		q.change.Wait()
	}
	if q.err != nil {
		return AppEndpoints{}, q.err
	}
	result := *q.results[q.turn]
	q.results[q.turn] = nil
	q.waiting -= result.size()
	q.turn++
	q.change.Broadcast()
	return result, nil
}

func (q *schedule) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	q.change.Broadcast()
}

func (a *AppEndpoints) size() int { return len(a.found) + len(a.named) + len(a.unnamed) }

// size returns about how many contacts an application has.
func (c *Contacts) size(app uint32) int64 {
	n := int64(0)
	if o := c.order; int(app) < len(o.start)-1 {
		n = int64(o.start[app+1] - o.start[app])
	}
	for i := range c.runs {
		s := c.runs[i].sections[app]
		n += (s.end - s.start) / 20
	}
	return n
}
