-- Is this a reminder that pawl_reminder_parse (state/keys.c) and the due times of the
-- port can hold?
local function whole32(s)
  return (s=='0' or string.find(s,'^[1-9]%d*$')) and #s<=10 and tonumber(s)<=4294967295
end
local function readable(member,due)
  if not string.find(due,'^-?%d+$') then return false end
  if string.find(member,'^o|') then
    return #member==34 and string.find(member,'^[0-9a-f]+$',3)~=nil
  end
  local id,inc,gen,op,nonce=
    string.match(member,'^[watc]|(.+)|([0-9a-f]+)|(%d+)|([^|]+)|([^|]+)$')
  if not id or #id>256 or #inc~=32 or not whole32(gen) then return false end
  if op=='-' or nonce=='-' then return op==nonce end
  local number=string.match(op,'^[atc]:(%d+)$')
  return number and whole32(number) and #nonce==16 and string.find(nonce,'^[0-9a-f]+$')~=nil
end
