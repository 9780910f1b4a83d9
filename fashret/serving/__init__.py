"""A catalogue over HTTP: a JSON API, and a page that uses it.

    request ──guard──▶ asking ──▶ finding ──▶ answers ──▶ JSON
                          │          │
                          │          ├─ decode    in threads, within one budget of pixels
                          │          ├─ detect    ┐ requests that come together go through a network,
                          │          ├─ embed     │ or over the vectors, together (`batching`)
                          │          └─ search    ┘
                          └─ errors of one shape (`failures`)

`living` holds the `Shop` that is open now: a catalogue with its columns, detectors and pictures. It is replaced by
another when the file is, and closed when the last request that uses it has been answered.
"""
