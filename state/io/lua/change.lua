-- One entry of the partition's change log: a stream whose ids are 0-1, 0-2, … It is cut by
-- whole nodes, which is cheap; CHANGES hides what is left too many. `custom`: nil or false
-- unless it has changed.
local function change_add(t,most,at,what,status,gen,turn,inc,id,name,custom,custom_most)
  if most==0 then return end
  if custom and #custom>custom_most then custom,what=nil,what+32 end
  local entry={'at',at,'what',what,'status',status,'gen',gen,'turn',turn,'inc',inc,'id',id}
  if name then entry[#entry+1]='name' entry[#entry+1]=name end
  if custom then entry[#entry+1]='custom' entry[#entry+1]=custom end
  redis.call('XADD',t..'changes','MAXLEN','~',most,'0-*',unpack(entry))
end
