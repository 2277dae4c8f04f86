# The two commands that matter need no make: go run ./cmd/logarium and go test ./...

GOLANGCI_LINT ?= $(shell go env GOPATH)/bin/golangci-lint
BOOTSTRAP ?= 127.0.0.1:9092
SEEDS ?= 50
FOR ?=

.DEFAULT_GOAL := help
.PHONY: help run build test race sim bench lint gen docs ci

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "%-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## run the brokers and the console
	go run ./cmd/logarium

build: ## build the program into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/logarium ./cmd/logarium

test: ## run all tests, with the clients and the browser that are found
	go test ./...

race: ## run the tests of engine and server with the race detector
	go test -race -short ./engine/... ./server/...

sim: ## run the simulations in virtual time: make sim SEEDS=200, make sim FOR=10m
	go test -tags synctests ./engine/sim -count 1 -timeout 0 -run TestCluster -failfast $(if $(FOR),-for $(FOR),-seeds $(SEEDS))

bench: ## measure a running cluster: make bench BOOTSTRAP=host:port
	go run ./cmd/logarium bench --bootstrap $(BOOTSTRAP)

lint: ## check format, vet and lint
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not formatted: $$unformatted"; exit 1; }
	go vet ./...
	$(GOLANGCI_LINT) run

gen: ## generate the Go code of the templates
	go tool templ generate

docs: ## generate the docs that come from the code
	go generate -run "go test" ./engine/...

ci: ## run what the continuous integration runs; installs clients and tools
	.ci/run
