# make help lists the targets. Everything is set up in .venv from pyproject.toml, in the versions of constraints.txt.

PYTHON ?= python3
VENV := .venv
DEMO := demo
BIN := $(VENV)/bin
TESTFLAGS ?=
MINUTES ?= 5
COUNT ?= 500
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DELETE_ON_ERROR:
.PHONY: help setup demo demo-detect test test-slow fuzz kills lint check bench clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/installed  ## make .venv with fashret and everything it needs

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fashret needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(DEMO)/reranked.h5  ## draw a catalogue and run the whole pipeline on it
	fashret evaluate --rerank $(DEMO)/catalogue.emb.h5
	@echo
	@echo 'Everything it made is in $(DEMO)/ (fashret info FILE says what each file is).'
	@echo 'With your own photos:  fashret embed PHOTOS/ --model $(DEMO)/model -o shop.emb.h5'
	@echo '                       fashret search shop.emb.h5 --image PHOTO.jpg'

$(DEMO)/photos/manifest.csv: | $(VENV)/installed
	@mkdir -p $(DEMO)
	fashret demo $(DEMO)/photos

$(DEMO)/crops.h5: $(DEMO)/photos/manifest.csv
	fashret crop $< -o $@ --resume

$(DEMO)/model/model.json: $(DEMO)/crops.h5
	fashret train $< --recipe demo -o $(@D) $(if $(wildcard $(@D)/checkpoints/last.pt),--resume)

$(DEMO)/catalogue.emb.h5: $(DEMO)/crops.h5 $(DEMO)/model/model.json
	fashret embed $< --model $(DEMO)/model -o $@ --resume

$(DEMO)/ranking.h5: $(DEMO)/catalogue.emb.h5
	fashret search $< -o $@

$(DEMO)/reranked.h5: $(DEMO)/ranking.h5
	fashret rerank $< -o $@ --resume

# street photos searched with the boxes that are given, with those that the detector finds, and whole
demo-detect: $(DEMO)/detected-boxes.emb.h5 $(DEMO)/whole-photos.emb.h5  ## train a detector on the demo, and search with its boxes
	fashret info $(DEMO)/detector
	fashret evaluate $(DEMO)/catalogue.emb.h5 $^ --k 1 --k 20

$(DEMO)/detected-boxes.h5: $(DEMO)/detector/detector.json $(DEMO)/photos/manifest.csv
	fashret crop $(DEMO)/photos/manifest.csv --detector $(DEMO)/detector --detect street --min-score 0.05 -o $@ --resume

$(DEMO)/whole-photos.h5: $(DEMO)/photos/manifest.csv
	fashret crop $< --boxes ignore -o $@ --resume

$(DEMO)/%.emb.h5: $(DEMO)/%.h5 $(DEMO)/model/model.json
	fashret embed $< --model $(DEMO)/model -o $@ --resume

$(DEMO)/detector/detector.json: $(DEMO)/photos/manifest.csv
	fashret train-detector $< --one-class --architecture ssdlite320_mobilenet_v3_large --side 128 --batch-size 8 \
	  --lr 1e-3 --epochs 8 -o $(@D) $(if $(wildcard $(@D)/checkpoints/last.pt),--resume)

test: $(VENV)/installed  ## run the tests, but for the slow ones, in two processes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not slow' -n 2 --dist worksteal $(TESTFLAGS)

test-slow: $(VENV)/installed  ## run the slow tests
	$(BIN)/python -m pytest -m slow $(TESTFLAGS)

fuzz: $(VENV)/installed  ## test on fresh examples (MINUTES=5, SEED=a fresh one)
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

kills: $(VENV)/installed  ## kill commands at random moments and finish them (COUNT=500)
	$(BIN)/python -m tests.campaign kills --count $(COUNT)

lint: $(VENV)/installed  ## check form and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test  ## lint and test

bench: $(VENV)/installed  ## measure speed and memory against peers (needs the extra `bench`)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m tests.benchmarks

clean:  ## remove what make demo made
	rm -rf $(DEMO)
