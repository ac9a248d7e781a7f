-- Prints what wrk counted as one line of JSON; the text report is for people.
-- Without an argument no `request` is defined, as it would cost wrk time per request. With a file of bearer
-- tokens, one a line, each request shows the next of them.
function init(args)
  if not args[1] then return end
  local requests = {}
  for token in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format(nil, nil, { Host = wrk.headers["Host"], Authorization = "Bearer " .. token })
  end
  local next = 0
  function request()
    next = next % #requests + 1
    return requests[next]
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\nJSON {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,' ..
    '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    e.connect, e.read, e.write, e.status, e.timeout))
end
