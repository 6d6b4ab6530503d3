-- wrk's requests for scripts/bench state: wrk ... -s state.lua URL -- KIND TAG
--   KIND  martlet-write, martlet-read, etcd-write or etcd-read
--   TAG   what makes the keys of this run its own
-- One thread, so that a counter makes keys unique. At the end one line of JSON goes to standard output.

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
  local out = {}
  for at = 1, #text, 3 do
    local first, second, third = text:byte(at, at + 2)
    local word = first * 65536 + (second or 0) * 256 + (third or 0)
    for place = 0, 3 do
      local digit = math.floor(word / 64 ^ (3 - place)) % 64
      out[#out + 1] = (place > 1 and at + place > #text + 1) and "=" or alphabet:sub(digit + 1, digit + 1)
    end
  end
  return table.concat(out)
end

-- 512 bytes that do not compress, the same for all.
local bytes, seed = {}, 1
for at = 1, 512 do
  seed = (seed * 16807) % 2147483647
  bytes[at] = string.char(seed % 256)
end
local value = base64(table.concat(bytes))

local kind, tag, count = nil, nil, 0

function init(arguments)
  kind, tag = arguments[1], arguments[2]
  wrk.headers["Content-Type"] = "application/json"
end

local requests = {
  ["martlet-write"] = function(key)
    return wrk.format("POST", "/v1.51/configs/create", nil,
      '{"Name":"' .. key .. '","Labels":{},"Data":"' .. value .. '"}')
  end,
  ["etcd-write"] = function(key)
    return wrk.format("POST", "/v3/kv/put", nil, '{"key":"' .. base64(key) .. '","value":"' .. value .. '"}')
  end,
  ["martlet-read"] = function() return wrk.format("GET", "/v1.51/configs/" .. tag) end,
  ["etcd-read"] = function() return wrk.format("POST", "/v3/kv/range", nil, '{"key":"' .. base64(tag) .. '"}') end,
}

function request()
  count = count + 1
  return requests[kind](tag .. "-" .. count)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"answers": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "refused": %d, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
