# The paper's tables on Street2Shop:
#
#   make -f examples/street2shop.mk table2 table6 ROOT=/data/street2shop
#   make -f examples/street2shop.mk table8 ROOT=/data/street2shop OTHER_ROOT=/data/deepfashion
#   make -f examples/street2shop.mk detect-then-retrieve ROOT=/data/street2shop
#   make -f examples/street2shop.mk tiny
#
# Table 7 is DeepFashion's: it is made from OTHER_ROOT, by deepfashion.mk.

DATASET := street2shop
LAYOUT := street2shop
OTHER := deepfashion
ROOT ?= /data/street2shop
OTHER_ROOT ?= /data/deepfashion
OUT ?= build/street2shop
SHOWN := --k 1 --k 20
TABLES := 1 2 3 4 5 6 8
PUBLISHED ?= 54.8 mAP and 72.9 Acc@20, its best model; other cells are not quoted here.

MORE := detect-then-retrieve

include $(dir $(lastword $(MAKEFILE_LIST)))paper.mk
include $(examples)detect-then-retrieve.mk
