#!/usr/bin/env python3
"""Writes top_k_goldens.txt: what torch.topk chooses on the CPU among scores with many ties.

A line is: experts, k, levels, seed, then the k ids. Score i is the i-th number of Knuth's MMIX
generator begun at the seed, its upper 31 bits modulo levels; experts_test.cpp draws the same.

Usage: make_top_k_goldens.py >top_k_goldens.txt  (torch 2.x)
"""
import torch


def scores(count, levels, seed):
    state = seed
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield float((state >> 33) % levels)


for experts, k in [(1, 1), (2, 1), (8, 2), (16, 4), (32, 4), (40, 8), (60, 4), (64, 1), (64, 6),
                   (64, 8), (72, 10), (128, 1), (128, 2), (128, 4), (128, 8), (256, 4), (256, 8),
                   (384, 6), (512, 8), (512, 10), (512, 16), (16, 16)]:
    for seed, levels in enumerate((1, 2, 5, 30, 1000)):
        values = torch.tensor(list(scores(experts, levels, seed)))
        print(experts, k, levels, seed, *torch.topk(values, k).indices.tolist())
