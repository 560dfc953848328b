-- Lua's unpack takes some thousand values at most; pairs stay together.
local function many(command,list,...)
  local n=#list
  for k=1,n,1000 do
    local head={command,...}
    for j=k,math.min(k+999,n) do head[#head+1]=list[j] end
    redis.call(unpack(head))
  end
end
