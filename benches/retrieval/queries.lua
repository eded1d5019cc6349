-- Sends each line of a file as a search, once each while they last.
--
--   wrk -s queries.lua http://127.0.0.1:9000/search -- FILE

local queries = {}
local at = 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    queries[#queries + 1] = line
  end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  at = at % #queries + 1
  return wrk.format(nil, nil, nil, '{"query":"' .. queries[at] .. '","top_k":5}')
end

function response(status)
  if status ~= 200 then
    io.stderr:write("answered ", status, "\n")
  end
end
