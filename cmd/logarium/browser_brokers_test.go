package main

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// mapOf evaluates an expression over the map's model, m.
func mapOf(expression string) string {
	return fmt.Sprintf(`(() => { const map = document.querySelector('[data-map]').logariumMap; if (!map.lay) return false; const m = map.view.model; return %s; })()`, expression)
}

// press clicks by script: the page fetches its parts anew every two seconds, and
// an element that was found may be another one when the mouse gets there.
func (b *browser) press(selector string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`document.querySelector(%q)`, selector))
	evaluate[bool](b, fmt.Sprintf(`(document.querySelector(%q).click(), true)`, selector))
}

// A broker is stopped, killed and paused by its buttons: the leaders move, on
// the page and on the map, and all is in sync again when it is back.
func TestBrowser_BrokersAreStoppedAndComeBack(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes its time")
	}
	b := openBrowser(t)
	p := start(t, "--data", t.TempDir(), "--kafka", "127.0.0.1:0", "--console", "127.0.0.1:0")
	b.run(chromedp.Navigate(p.Console + "/"))
	b.until(`document.body.innerText.includes('heart-rate-monitor')`)
	b.until(mapOf(`[...m.partitions.values()].length > 6 && [...m.partitions.values()].every(p => p.replicas.length === 3 && p.leader > 0)`))
	b.until(mapOf(`[...m.replicas.values()].some(r => r.n > 0)`)) // followers copy
	b.stopsByDialog(p, 2)
	b.mapShowsBrokerDown(p, 2)
	b.startsAgain(p, 2)
	b.actsWithoutScript(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, problem := range b.problems {
		t.Error(problem)
	}
}

// stopsByDialog presses Stop and confirms what is foretold.
func (b *browser) stopsByDialog(p *process, id int) {
	b.t.Helper()
	b.run(chromedp.Navigate(p.Console + "/brokers"))
	b.press(fmt.Sprintf("#stop-%d", id))
	b.until(`document.querySelector('dialog[open] #consequences')?.innerText.includes('another in-sync replica takes over each of them')`)
	b.picture("broker-stop", 1440, 900, false)
	b.press(`dialog[open] #confirm-act`)
	b.until(fmt.Sprintf(`document.body.innerText.includes('Broker %d is stopped.')`, id))
	row := fmt.Sprintf(`document.querySelector('#broker-%d').closest('tr')`, id)
	b.until(row + `.querySelector('[data-label=State]').innerText.includes('stopped')`)
	b.until(row + `.querySelector('[data-label=Leads]').innerText.trim().startsWith('0')`)
	b.until(`document.querySelector('#brokers').innerText.includes('2 of 3')`)
}

func (b *browser) mapShowsBrokerDown(p *process, id int) {
	b.t.Helper()
	b.run(chromedp.Navigate(p.Console + "/"))
	b.until(mapOf(fmt.Sprintf(`m.brokers.get(%[1]d).state === 'stopped' && [...m.partitions.values()].every(p => p.leader > 0 && p.leader !== %[1]d)`, id)))
	b.until(mapOf(fmt.Sprintf(`[...m.replicas.values()].filter(r => r.b === %d).every(r => r.offline && !r.sync)`, id)))
	b.until(`/^[1-9]/.test(document.querySelector('[data-v=under]').textContent)`)
	b.until(`document.querySelector('[data-v=brokers]').closest('.tile').classList.contains('warn')`)
	b.until(fmt.Sprintf(`document.querySelector('[data-events]').innerText.includes('Broker %d stopped')`, id))
	b.picture("overview-broker-down", 1440, 1000, false)
	b.picture("overview-broker-down-phone", 390, 1200, true)
	if wide := evaluate[bool](b, `document.documentElement.scrollWidth > innerWidth`); wide {
		b.t.Error("the overview is wider than a phone")
	}
	b.run(chromedp.EmulateViewport(1440, 900))
	b.run(chromedp.Navigate(p.Console + "/topics/heart-rate"))
	b.until(`document.querySelector('#topic').innerText.includes('under-replicated')`)
	for _, path := range []string{"/brokers", "/brokers/1", "/topics/heart-rate", "/create-topic", "/durability"} {
		b.run(chromedp.Navigate(p.Console+path), chromedp.EmulateViewport(390, 844))
		if wide := evaluate[bool](b, `document.documentElement.scrollWidth > innerWidth`); wide {
			b.t.Errorf("%s is wider than a phone", path)
		}
	}
	b.run(chromedp.EmulateViewport(1440, 900))
}

func (b *browser) startsAgain(p *process, id int) {
	b.t.Helper()
	b.run(chromedp.Navigate(p.Console + "/brokers"))
	b.press(fmt.Sprintf("#start-%d", id))
	b.until(fmt.Sprintf(`document.body.innerText.includes('Broker %d is started.')`, id))
	b.run(chromedp.Navigate(p.Console + "/"))
	b.until(mapOf(`[...m.brokers.values()].every(b => b.up && !b.fenced)`))
	b.until(mapOf(`[...m.partitions.values()].every(p => p.replicas.every(r => r.sync && !r.offline))`)) // caught up
	b.until(`document.querySelector('[data-v=under]').textContent === '0'`)
	b.run(chromedp.Navigate(p.Console + "/brokers"))
	b.until(`!document.querySelector('#brokers .badge.bad')`)
}

// actsWithoutScript goes the way of plain links and forms.
func (b *browser) actsWithoutScript(p *process) {
	b.t.Helper()
	b.run(chromedp.Navigate(p.Console + "/brokers/3/kill?next=%2Fbrokers"))
	b.until(`document.querySelector('h1').innerText === 'Kill broker 3?'`)
	b.press(`#confirm-act`)
	b.until(`location.pathname === '/brokers' && document.querySelector('#brokers').innerText.includes('killed')`)
	b.press(`#start-3`)
	b.until(`location.pathname === '/brokers' && !document.querySelector('#brokers').innerText.includes('killed')`)
	b.run(chromedp.Navigate(p.Console + "/brokers/3/pause"))
	b.press(`#confirm-act`)
	b.until(`location.pathname === '/brokers/3' && document.querySelector('#broker').innerText.includes('paused')`)
	b.press(`#resume-3`)
	b.until(`document.querySelector('#broker .badge.ok')?.innerText === 'running'`)
}
