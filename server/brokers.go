package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
)

// Brokers runs the brokers of the embedded cluster one by one: 1 to N, and for
// other ids State returns "". The states are starting, running, draining,
// stopped, killed, paused and failed. Stop returns when the broker has handed
// over what it led and is down, Start when its listener is open again; an error
// is in words for people.
type Brokers interface {
	State(id int32) string
	Stop(ctx context.Context, id int32) error // controlled shutdown
	Kill(id int32) error                      // as by power: connections cut, nothing flushed
	Pause(id int32) error                     // it neither reads nor answers
	Resume(id int32) error
	Start(ctx context.Context, id int32) error
}

// The states of a broker.
const (
	stateStarting = "starting"
	stateRunning  = "running"
	stateDraining = "draining"
	stateStopped  = "stopped"
	stateKilled   = "killed"
	statePaused   = "paused"
	stateFailed   = "failed"
)

// maxActWait bounds what the console waits for a broker to stop or to start.
const maxActWait = 30 * time.Second

// brokerAct is one thing that can be done with a broker.
type brokerAct struct {
	page.BrokerAct
	from    []string // the states in which it makes sense
	done    string   // what is so after it
	perform func(ctx context.Context, b Brokers, id int32) error
}

// brokerActs are all of them, in the order of their buttons.
var brokerActs = []brokerAct{
	{page.BrokerAct{Name: "stop", Label: "Stop", Asks: true}, []string{stateRunning, stateDraining}, "is stopped",
		func(ctx context.Context, b Brokers, id int32) error { return b.Stop(ctx, id) }},
	{page.BrokerAct{Name: "kill", Label: "Kill", Asks: true, Harsh: true}, []string{stateStarting, stateRunning, stateDraining, statePaused, stateFailed}, "is killed",
		func(_ context.Context, b Brokers, id int32) error { return b.Kill(id) }},
	{page.BrokerAct{Name: "pause", Label: "Pause", Asks: true}, []string{stateRunning}, "is paused",
		func(_ context.Context, b Brokers, id int32) error { return b.Pause(id) }},
	{page.BrokerAct{Name: "resume", Label: "Resume"}, []string{statePaused}, "goes on",
		func(_ context.Context, b Brokers, id int32) error { return b.Resume(id) }},
	{page.BrokerAct{Name: "start", Label: "Start"}, []string{stateStopped, stateKilled, stateFailed}, "is started",
		func(ctx context.Context, b Brokers, id int32) error { return b.Start(ctx, id) }},
}

// actsFor returns what can be done with a broker in a state.
func actsFor(state string) (acts []page.BrokerAct) {
	for _, a := range brokerActs {
		if slices.Contains(a.from, state) {
			acts = append(acts, a.BrokerAct)
		}
	}
	return acts
}

// ownState returns the state of a broker that the console runs, "" if it runs
// no such broker.
func (s *Server) ownState(id int32) string {
	if s.Brokers == nil {
		return ""
	}
	return s.Brokers.State(id)
}

// ownBrokers returns the ids of the brokers that the console runs.
func (s *Server) ownBrokers() (ids []int32) {
	for id := int32(1); s.ownState(id) != ""; id++ {
		ids = append(ids, id)
	}
	return ids
}

// actOf reads a broker and what to do with it from the path.
func (s *Server) actOf(c echo.Context) (act brokerAct, id int32, state string, err error) {
	n, err := strconv.ParseInt(c.Param("broker"), 10, 32)
	i := slices.IndexFunc(brokerActs, func(a brokerAct) bool { return a.Name == c.Param("act") })
	if err != nil || i < 0 {
		return act, 0, "", echo.ErrNotFound
	}
	if s.Brokers == nil {
		return act, 0, "", missing("The console does not run these brokers", "Brokers can be stopped and started here only if they run in this program.")
	}
	act, id = brokerActs[i], int32(n)
	state = s.ownState(id)
	if state == "" {
		return act, id, "", missing(fmt.Sprintf("There is no broker %d", id), "This program runs no broker of that id.")
	}
	if !slices.Contains(act.from, state) {
		return act, id, state, &problem{
			status: http.StatusConflict, title: fmt.Sprintf("Broker %d is %s", id, state),
			text: fmt.Sprintf("Only a broker that is %s can be asked to %s.", orList(act.from), act.Name),
		}
	}
	return act, id, state, nil
}

// orList joins words as in "stopped, killed or failed".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// brokerActForm says what will happen and asks.
func (s *Server) brokerActForm(c echo.Context) error {
	act, id, _, err := s.actOf(c)
	if err != nil {
		return err
	}
	return s.showBrokerAct(c, http.StatusOK, act, id, "")
}

func (s *Server) showBrokerAct(c echo.Context, status int, act brokerAct, id int32, failure string) error {
	m := page.BrokerActModel{
		ID: id, Act: act.BrokerAct, Action: link.Broker(id, act.Name), Failure: failure,
		Next: link.Local(cmp.Or(c.FormValue("next"), link.Broker(id)), link.Broker(id)),
	}
	s.foresee(c.Request().Context(), &m)
	title := fmt.Sprintf("%s broker %d", act.Label, id)
	return s.render(c, status, layout.Model{Title: title, Section: "brokers"}, page.AskBroker(m))
}

// actBroker does something with a broker. A page asks first; a program, which
// wants JSON, has been told.
func (s *Server) actBroker(c echo.Context) error {
	wantsJSON := acceptsJSON(c)
	act, id, _, err := s.actOf(c)
	if err != nil {
		return failBroker(c, wantsJSON, err)
	}
	if act.Asks && !wantsJSON && c.FormValue("confirm") != "yes" {
		return s.showBrokerAct(c, http.StatusOK, act, id, "")
	}
	// The broker is stopped though the reader leaves meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), maxActWait)
	defer cancel()
	s.Logger.Info("a broker is acted on", slog.String("act", act.Name), slog.Int("broker", int(id)))
	if err := act.perform(ctx, s.Brokers, id); err != nil {
		s.Logger.Warn("a broker did not do as it was told", slog.String("act", act.Name), slog.Int("broker", int(id)), slog.Any("error", err))
		if wantsJSON {
			return c.JSON(http.StatusUnprocessableEntity, map[string]string{"error": err.Error()})
		}
		return s.showBrokerAct(c, http.StatusUnprocessableEntity, act, id, err.Error())
	}
	if wantsJSON {
		return c.JSON(http.StatusOK, brokerStateJSON{ID: id, State: s.ownState(id)})
	}
	return redirect(c, link.Local(c.FormValue("next"), link.Broker(id)), "ok", fmt.Sprintf("Broker %d %s.", id, act.done))
}

// acceptsJSON tells a program from a browser.
func acceptsJSON(c echo.Context) bool {
	return strings.HasPrefix(c.Request().Header.Get(echo.HeaderAccept), echo.MIMEApplicationJSON)
}

// failBroker answers a program in JSON with the words that a page would show.
func failBroker(c echo.Context, wantsJSON bool, err error) error {
	var told *problem
	switch {
	case !wantsJSON:
		return err
	case errors.As(err, &told):
		return c.JSON(told.status, map[string]string{"error": told.title + ". " + told.text})
	}
	return c.JSON(http.StatusNotFound, map[string]string{"error": "There is no such broker, or nothing of that name can be done with it."})
}

// brokerStateJSON answers a program that acted on a broker.
type brokerStateJSON struct {
	ID    int32  `json:"id"`
	State string `json:"state"`
}

// brokerJSON is one broker for programs.
type brokerJSON struct {
	ID         int32  `json:"id"`
	State      string `json:"state"`  // of Brokers, or up, fenced or away
	Fenced     bool   `json:"fenced"` // clients are not sent to it
	Controller bool   `json:"controller"`
	Address    string `json:"address"` // "": not known
	Rack       string `json:"rack"`
	Leaders    int    `json:"leaders"`
	Replicas   int    `json:"replicas"`
	InSync     int    `json:"in_sync"`
}

// brokersJSON is the list of brokers for programs.
func (s *Server) brokersJSON(c echo.Context) error {
	ctx := c.Request().Context()
	answer := struct {
		Brokers []brokerJSON `json:"brokers"`
	}{[]brokerJSON{}}
	b, err := s.askBrokers(ctx)
	if err != nil && s.Brokers == nil {
		return c.JSON(http.StatusBadGateway, map[string]string{"error": err.Error()})
	}
	for _, r := range b.rows() {
		address := ""
		if r.Host != "" {
			address = r.Host + ":" + strconv.Itoa(int(r.Port))
		}
		answer.Brokers = append(answer.Brokers, brokerJSON{
			ID: r.ID, State: r.State, Fenced: r.Fenced, Controller: r.Controller, Address: address, Rack: r.Rack,
			Leaders: r.Leaders, Replicas: r.Replicas, InSync: r.InSync,
		})
	}
	return c.JSON(http.StatusOK, answer)
}
