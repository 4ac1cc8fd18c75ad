-- For wrk: asks for what BENCH_LIST names, a file of lines
-- "path<TAB>header: value<TAB>...", one after the other and from the start
-- again, beginning with line BENCH_FIRST; or publishes what BENCH_UPLOADS
-- holds, each a line with its length and so many bytes, until nothing is left;
-- for the URL of the command line when there is neither.  At the end it says
-- in one line what came of it.

local list = os.getenv("BENCH_LIST")
local uploads = os.getenv("BENCH_UPLOADS")

if uploads then
    local requests = {}
    local sent, answered = 0, 0

    function init(args)
        local file = assert(io.open(uploads, "rb"))

        for length in file:lines() do
            requests[#requests + 1] = wrk.format("PUT",
                "/api/v1/crates/new", wrk.headers, file:read(tonumber(length)))
        end
    end

    function request()
        sent = math.min(sent + 1, #requests)

        return requests[sent]
    end

    function response(status, headers, body)
        answered = answered + 1

        if status ~= 200 then
            io.write("refused with " .. status .. ": " .. body .. "\n")
        end

        if answered >= #requests - 16 then
            wrk.thread:stop()
        end
    end

elseif list then
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
