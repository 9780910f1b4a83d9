"""Re-ranking: the order of a plain search, improved by who is whose neighbour.

    queries ∪ gallery                                     union
       │ knn.all_neighbours: the k1 nearest of every row; those within categories are shared
       ▼
    k-reciprocal sets, expanded                           neighbour_sets
       │ weight of each member: exp(−distance)
       ▼
    encoding: one sparse vector per row, averaged over    jaccard
    its k2 nearest
       │ inverted index: which rows share a member
       ▼
    Jaccard and original distance, weighed by λ           final_rank
       ▼
    k best rows of each query, exact ranks of positives   k_reciprocal (all queries together),
                                                          single_query (each as if it were alone)

:mod:`fashret.reranking.query_expansion` moves the queries and searches again. :mod:`fashret.reranking.by_category`
holds any of them to categories; :mod:`fashret.reranking.methods` names them.
"""
