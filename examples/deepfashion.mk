# The paper's tables on DeepFashion Consumer-to-Shop:
#
#   make -f examples/deepfashion.mk table2 table7 ROOT=/data/deepfashion
#   make -f examples/deepfashion.mk table8 ROOT=/data/deepfashion OTHER_ROOT=/data/street2shop
#   make -f examples/deepfashion.mk tiny
#
# Table 6 is Street2Shop's: it is made from OTHER_ROOT, by street2shop.mk. Which shop photos are searched is not known of
# the paper: validation and test here, as the dataset itself says; CROP='--gallery test' for test alone.

DATASET := deepfashion
LAYOUT := deepfashion
OTHER := street2shop
ROOT ?= /data/deepfashion
OTHER_ROOT ?= /data/street2shop
OUT ?= build/deepfashion
SHOWN := --k 1 --k 20 --k 50
TABLES := 1 2 3 4 5 7 8
PUBLISHED ?= 47.3 Acc@1 and 79.0 Acc@20, its best model; other cells are not quoted here.

include $(dir $(lastword $(MAKEFILE_LIST)))paper.mk
