-- For wrk: asks for what BENCH_LIST names, a file of lines
-- "path<TAB>header: value<TAB>...", one after the other and from the start
-- again, beginning with line BENCH_FIRST; for the URL of the command line when
-- there is none.  At the end it says in one line what came of it.

local list = os.getenv("BENCH_LIST")

if list then
    local requests = {}
    local at = tonumber(os.getenv("BENCH_FIRST") or 0)

    function init(args)
        for line in io.lines(list) do
            local path = line:match("^[^\t]+")
            local headers = {}

            for name, value in line:gmatch("\t([^:]+): ([^\t]+)") do
                headers[name] = value
            end

            for name, value in pairs(wrk.headers) do
                headers[name] = headers[name] or value
            end

            requests[#requests + 1] = wrk.format("GET", path, headers)
        end
    end

    function request()
        at = at + 1

        return requests[at % #requests + 1]
    end
end

function done(summary, latency, requests)
    local e = summary.errors

    io.write(string.format(
        "bench requests=%d bytes=%d us=%d broken=%d refused=%d p99=%d\n",
        summary.requests, summary.bytes, summary.duration,
        e.connect + e.read + e.write + e.timeout, e.status,
        latency:percentile(99)))
end
