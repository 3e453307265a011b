-- What wrk sends: the AdmissionReview in the file that is its argument.
function init(arguments)
    local file = assert(io.open(arguments[1], "rb"))
    wrk.method = "POST"
    wrk.body = file:read("a")
    wrk.headers["Content-Type"] = "application/json"
    file:close()
end

function done(summary, latency, requests)
    local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
    io.write(string.format("result %d %f %d %d\n", failed, summary.requests / summary.duration * 1e6,
        latency:percentile(50), latency:percentile(99)))
end
